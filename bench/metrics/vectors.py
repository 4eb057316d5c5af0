"""A small language for loops over vectors of float32, which becomes LLVM's.

Owns the words (loops, loads, arithmetic) and no algorithm; kernels.py speaks it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from llvmlite import ir

POINTER, LONG = ir.PointerType(), ir.IntType(64)
BYTE, FLOAT, DOUBLE = ir.IntType(8), ir.FloatType(), ir.DoubleType()
_INT = ir.IntType(32)
_FLAGS = ("contract", "nsz")
"""A product and a sum may become one rounding; sums keep their order."""


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Some float32 in the function that is being written; numbers beside it are splat."""

    code: Code
    value: Any

    def _with(self, operation: Any, other: Vector | float) -> Vector:
        value = other.value if isinstance(other, Vector) else self.code.splat(other)
        return Vector(self.code, operation(self.value, value, flags=_FLAGS))

    def __add__(self, other: Vector | float) -> Vector:
        return self._with(self.code.builder.fadd, other)

    def __sub__(self, other: Vector | float) -> Vector:
        return self._with(self.code.builder.fsub, other)

    def __mul__(self, other: Vector | float) -> Vector:
        return self._with(self.code.builder.fmul, other)

    def __truediv__(self, other: Vector | float) -> Vector:
        return self._with(self.code.builder.fdiv, other)


@dataclass(slots=True)
class Totals:
    """What a loop carries from round to round: ``now`` within, ``next`` to be set, ``end`` after
    it."""

    now: list[Vector]
    next: list[Vector] = field(default_factory=list)
    end: list[Vector] = field(default_factory=list)


class Code:
    """A function without a result that is being written. Offsets and counts are of samples."""

    def __init__(
        self, text: ir.Module, name: str, arguments: Sequence[ir.Type], lanes: int
    ) -> None:
        function = ir.Function(text, ir.FunctionType(ir.VoidType(), arguments), name)
        self.builder = ir.IRBuilder(function.append_basic_block())
        self.arguments = function.args
        self.lanes = lanes

    def end(self) -> None:
        self.builder.ret_void()

    # whole numbers

    def _long(self, value: Any) -> Any:
        return LONG(value) if isinstance(value, int) else value

    def add(self, one: Any, other: Any) -> Any:
        return self.builder.add(self._long(one), self._long(other))

    def subtract(self, one: Any, other: Any) -> Any:
        return self.builder.sub(self._long(one), self._long(other))

    def multiply(self, one: Any, other: Any) -> Any:
        return self.builder.mul(self._long(one), self._long(other))

    def both(self, one: Any, bits: int) -> Any:
        """Bits that both have."""
        return self.builder.and_(one, LONG(bits))

    def smaller(self, one: Any, other: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", one, other), one, other)

    def equals(self, one: Any, other: int) -> Any:
        return self.builder.icmp_signed("==", one, LONG(other))

    def at_least(self, one: Any, other: int) -> Any:
        return self.builder.icmp_signed(">=", one, LONG(other))

    def is_odd(self, one: Any) -> Any:
        return self.equals(self.both(one, 1), 1)

    def both_true(self, one: Any, other: Any) -> Any:
        return self.builder.and_(one, other)

    # the order of things

    @contextmanager
    def when(self, condition: Any) -> Iterator[None]:
        with self.builder.if_then(condition):
            yield

    @contextmanager
    def loop(self, first: Any, end: Any, step: Any) -> Iterator[Any]:
        """``for i in range(first, end, step)``."""
        with self.reduce(first, end, step, ()) as (i, _):
            yield i

    @contextmanager
    def reduce(
        self, first: Any, end: Any, step: Any, start: Sequence[Vector]
    ) -> Iterator[tuple[Any, Totals]]:
        """The same, with vectors that each round gives to the next."""
        builder = self.builder
        before = builder.block
        head, body, after = (builder.append_basic_block() for _ in range(3))
        builder.branch(head)
        builder.position_at_end(head)
        i = builder.phi(LONG)
        i.add_incoming(self._long(first), before)
        carried = [builder.phi(one.value.type) for one in start]
        for phi, one in zip(carried, start, strict=True):
            phi.add_incoming(one.value, before)
        builder.cbranch(builder.icmp_signed("<", i, self._long(end)), body, after)
        builder.position_at_end(body)
        totals = Totals([Vector(self, phi) for phi in carried])
        yield i, totals
        i.add_incoming(builder.add(i, self._long(step)), builder.block)
        for phi, one in zip(carried, totals.next, strict=True):
            phi.add_incoming(one.value, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        totals.end = totals.now

    # memory

    def at(self, pointer: Any, kind: ir.Type, offset: Any) -> Any:
        return self.builder.gep(pointer, [self._long(offset)], source_etype=kind)

    def _vector(self, pointer: Any, offset: Any, kind: ir.Type, count: int) -> Any:
        place = self.at(pointer, kind, offset)
        size = 4 if kind is FLOAT else 1
        return self.builder.load(place, typ=ir.VectorType(kind, count), align=size)

    def _as_floats(self, value: Any) -> Any:
        if value.type.element == FLOAT:
            return value
        wide = self.builder.zext(value, ir.VectorType(_INT, value.type.count))
        return self.builder.sitofp(wide, ir.VectorType(FLOAT, value.type.count))

    def load(self, pointer: Any, offset: Any, kind: ir.Type = FLOAT) -> Vector:
        """``lanes`` samples, uint8 or float32."""
        return Vector(self, self._as_floats(self._vector(pointer, offset, kind, self.lanes)))

    def load_pairs(self, pointer: Any, offset: Any, kind: ir.Type) -> tuple[Vector, Vector]:
        """Of twice as many samples those at even places, and those at odd ones."""
        both = self._as_floats(self._vector(pointer, offset, kind, 2 * self.lanes))
        even, odd = (self._taken(both, range(k, 2 * self.lanes, 2)) for k in range(2))
        return Vector(self, even), Vector(self, odd)

    def load_rgb(self, pointer: Any, pixel: Any) -> list[Any]:
        """Of ``lanes`` interleaved pixels of uint8 each channel."""
        whole = self._vector(pointer, self.multiply(pixel, 3), BYTE, 3 * self.lanes)
        return [self._taken(whole, range(c, 3 * self.lanes, 3)) for c in range(3)]

    def _taken(self, vector: Any, places: Sequence[int]) -> Any:
        mask = ir.Constant(ir.VectorType(_INT, len(places)), list(places))
        return self.builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), mask)

    def load_one(self, pointer: Any, offset: Any) -> Any:
        """A single float32, as float64."""
        return self.builder.fpext(
            self.builder.load(self.at(pointer, FLOAT, offset), typ=FLOAT), DOUBLE
        )

    def store(self, vector: Vector, pointer: Any, offset: Any) -> None:
        self.builder.store(vector.value, self.at(pointer, FLOAT, offset), align=4)

    def store_bytes(self, values: Any, pointer: Any, offset: Any) -> None:
        self.builder.store(values, self.at(pointer, BYTE, offset), align=1)

    def copy_byte(self, pointer: Any, offset: Any, out: Any, place: Any) -> None:
        value = self.builder.load(self.at(pointer, BYTE, offset), typ=BYTE)
        self.builder.store(value, self.at(out, BYTE, place))

    def accumulate(self, sum_: Any, value: Any) -> None:
        """Adds to the float64 at a place."""
        self.builder.store(self.builder.fadd(self.builder.load(sum_, typ=DOUBLE), value), sum_)

    # vectors

    def splat(self, value: float) -> Any:
        return ir.Constant(ir.VectorType(FLOAT, self.lanes), [_rounded(value)] * self.lanes)

    def zero(self) -> Vector:
        return Vector(self, self.splat(0.0))

    def difference(self, one: Any, other: Any, offset: Any) -> Vector:
        """Of uint8 samples at one place of two arrays."""
        wide = ir.VectorType(_INT, self.lanes)
        ints = [
            self.builder.zext(self._vector(each, offset, BYTE, self.lanes), wide)
            for each in (one, other)
        ]
        floats = ir.VectorType(FLOAT, self.lanes)
        return Vector(self, self.builder.sitofp(self.builder.sub(*ints), floats))

    def shifted(self, vector: Vector, after: Vector, by: int) -> Vector:
        """From lane ``by`` of a vector to the lane before it of the one after."""
        places = range(by, by + self.lanes)
        mask = ir.Constant(ir.VectorType(_INT, self.lanes), list(places))
        return Vector(self, self.builder.shuffle_vector(vector.value, after.value, mask))

    def lane(self, vector: Vector, lane: int) -> Any:
        """One lane, in float64."""
        return self.builder.fpext(self.builder.extract_element(vector.value, _INT(lane)), DOUBLE)

    def sum_of(self, vector: Vector) -> Any:
        """All lanes, in float64."""
        total: Any = DOUBLE(0.0)
        for lane in range(self.lanes):
            total = self.builder.fadd(total, self.lane(vector, lane))
        return total


def _rounded(value: float) -> ir.Constant:
    return ir.Constant(FLOAT, struct.unpack("f", struct.pack("f", value))[0])
