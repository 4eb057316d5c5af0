"""The loops of SSIM and of squared errors, written in LLVM's vectors.

Importing it builds nothing; ``module`` gives the text that compiled.py has translated, once for a
machine. Whoever calls gives memory of the right size: nothing is checked. Vectors may be read, and
some written, past the last sample of a plane, by at most ``PADDING`` samples.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

from bench.metrics.vectors import BYTE, DOUBLE, FLOAT, LONG, POINTER, Code, Vector

WINDOW = 11
MARGIN = WINDOW // 2
_SIGMA = 1.5
LARGEST_STRIP = 768
"""Columns of a plane that are filtered at a time: what of them is kept stays in the cache."""
STRIP_UNIT = 16
"""Strips are as many columns times n."""
PADDING = 64
_RING = 16
"""Rows that are kept filtered, a power of 2 that is at least two more than those of the window."""
_FLUSHED_ROWS = 64
"""Rows that are summed in float32 before they are summed in float64."""
SQUARED_UNIT = 64
"""Samples whose squared errors are taken together, in sums that do not wait for each other."""
_EXACT_SUMS = 256
"""float32 sums of as many squares of 8-bit differences are exact."""
SCRATCH_SAMPLES = (3 * _RING + 3 + 2) * (LARGEST_STRIP + PADDING)
"""Memory of float32 that a comparison borrows."""

# samples are shifted by this before squaring: variances then lose fewer digits
_CENTRE = 128.0
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2
_weights = [math.exp(-((k - MARGIN) ** 2) / (2 * _SIGMA**2)) for k in range(WINDOW)]
_WEIGHTS = [weight / sum(_weights) for weight in _weights[: MARGIN + 1]]


def module(lanes: int) -> str:
    """All functions in LLVM's language, with vectors of so many float32."""
    text = ir.Module("kernels")
    for name, kind in (("bytes", BYTE), ("floats", FLOAT)):
        _prepare(text, f"prepare_{name}", lanes, kind)
        _halve(text, f"halve_{name}", lanes, kind)
    _compare(text, "compare_bytes", lanes, BYTE, luminance=True)
    _compare(text, "compare_floats", lanes, FLOAT, luminance=True)
    _compare(text, "contrast_floats", lanes, FLOAT, luminance=False)
    _split(text, "split")
    _cross_moments(text, "cross_moments", lanes)
    _squared_error(text, "squared_error", lanes)
    return str(text)


def _gaussian(taps: Sequence[Vector]) -> Vector:
    total = taps[MARGIN] * _WEIGHTS[MARGIN]
    for k in range(MARGIN - 1, -1, -1):
        total = (taps[k] + taps[-1 - k]) * _WEIGHTS[k] + total
    return total


class _Strips:
    """The part that ``prepare`` and ``compare`` share: planes (samples; their squares; their
    products with another picture's) of a strip of columns, filtered along the rows into a ring of
    rows, and down its columns for two rows at a time."""

    def __init__(self, code: Code, scratch: Any, planes: int) -> None:
        self.code, self.planes = code, planes
        self.width: Any = None
        pitch = LARGEST_STRIP + PADDING
        self._ring = scratch  # rows of all planes, side by side
        used = 3 * _RING * pitch
        self._lines = [code.at(scratch, FLOAT, used + p * pitch) for p in range(planes)]
        self.sums = [code.at(scratch, FLOAT, used + (3 + n) * pitch) for n in range(2)]
        self._pitch = pitch

    def fill(self, row: Any, samples: Any, other: Any, kind: ir.Type) -> None:
        """Filters row ``row``, which begins at ``samples``, along itself."""
        code = self.code
        reach = code.add(self.width, WINDOW - 1)
        with code.loop(0, reach, code.lanes) as i:
            sample = code.load(samples, i, kind) - _CENTRE
            code.store(sample, self._lines[0], i)
            code.store(sample * sample, self._lines[1], i)
            if self.planes == 3:
                product = sample * (code.load(other, i, kind) - _CENTRE)
                code.store(product, self._lines[2], i)
        for plane, line in enumerate(self._lines):
            out = code.at(self._slot(row), FLOAT, plane * self._pitch)
            with code.loop(0, self.width, code.lanes) as i:
                taps = [code.load(code.at(line, FLOAT, k), i) for k in range(WINDOW)]
                code.store(_gaussian(taps), out, i)

    def _slot(self, row: Any) -> Any:
        code = self.code
        return code.at(self._ring, FLOAT, code.multiply(code.both(row, _RING - 1), 3 * self._pitch))

    @contextmanager
    def rows(self, first: Any, count: int) -> Iterator[tuple[Any, list[list[Vector]]]]:
        """A loop over the vectors of ``count`` rows of the filtered planes, from ``first`` on:
        the column, and of each row what each plane has there."""
        code = self.code
        slots = [self._slot(code.add(first, k)) for k in range(WINDOW + count - 1)]
        with code.loop(0, self.width, code.lanes) as i:
            found: list[list[Vector]] = [[] for _ in range(count)]
            for plane in range(self.planes):
                place = code.add(i, plane * self._pitch)
                column = [code.load(slot, place) for slot in slots]
                for row, taken in enumerate(found):
                    taken.append(_gaussian(column[row : row + WINDOW]))
            yield i, found

    @contextmanager
    def each(self, rows: Any, columns: Any, width: Any) -> Iterator[tuple[Any, Any, Any]]:
        """A loop over strips of ``width`` columns: where the columns of one begin, where its
        moments do, how many columns are left."""
        code = self.code
        with code.loop(0, columns, width) as first:
            left = code.smaller(width, code.subtract(columns, first))
            self.width = code.both(code.add(left, STRIP_UNIT - 1), -STRIP_UNIT)
            yield first, code.multiply(code.multiply(first, rows), 2), left


def _each_pair(code: Code, rows: Any, fill: Any, emit: Any) -> None:
    """Fills all rows of a strip and emits those that the window reaches, two by two."""
    with code.loop(0, code.add(rows, WINDOW - 1), 1) as row:
        fill(row)
        ready = code.both_true(code.is_odd(row), code.at_least(row, WINDOW))
        with code.when(ready):
            emit(code.add(row, -WINDOW), 2)
    with code.when(code.is_odd(rows)):
        emit(code.add(rows, -1), 1)


def _prepare(text: ir.Module, name: str, lanes: int, kind: ir.Type) -> None:
    """Means (less 128) and variances of the windows of ``count`` planes of ``rows + 10`` rows of
    ``pitch`` samples: of each ``(strips, rows, 2, width)``, which is ``size`` float32."""
    code = Code(text, name, [POINTER, *[LONG] * 6, POINTER, POINTER], lanes)
    planes, count, pitch, rows, columns, width, size, scratch, moments = code.arguments
    part = _Strips(code, scratch, 2)
    with (
        code.loop(0, count, 1) as n,
        part.each(rows, columns, width) as (first, kept, _),
    ):
        start = code.at(_plane(code, planes, kind, n, rows, pitch), kind, first)
        out = code.at(moments, FLOAT, code.add(kept, code.multiply(n, size)))

        def fill(row: Any) -> None:
            part.fill(row, code.at(start, kind, code.multiply(row, pitch)), None, kind)

        def emit(row: Any, count: int) -> None:
            with part.rows(row, count) as (i, found):
                for k, (mean, square) in enumerate(found):
                    place = _moments_of(code, out, code.add(row, k), width)
                    code.store(mean, place[0], i)
                    code.store(square - mean * mean, place[1], i)

        _each_pair(code, rows, fill, emit)
    code.end()


def _moments_of(code: Code, moments: Any, row: Any, width: Any) -> tuple[Any, Any]:
    means = code.at(moments, FLOAT, code.multiply(code.multiply(row, width), 2))
    return means, code.at(means, FLOAT, width)


def _plane(code: Code, planes: Any, kind: ir.Type, n: Any, rows: Any, pitch: Any) -> Any:
    """Where one of several planes begins, of whose rows so many are the middle of a window."""
    return code.at(planes, kind, code.multiply(n, code.multiply(code.add(rows, WINDOW - 1), pitch)))


def _compare(text: ir.Module, name: str, lanes: int, kind: ir.Type, *, luminance: bool) -> None:
    """Adds to ``sums``, two float64 a plane, SSIM and its contrast and structure of each window of
    two planes, where ``prepare`` gave the moments of the first; without luminance the second
    alone."""
    words = [POINTER, POINTER, *[LONG] * 6, POINTER, POINTER, POINTER]
    code = Code(text, name, words, lanes)
    planes, others, count, pitch, rows, columns, width, size, scratch, moments, sums = (
        code.arguments
    )
    part = _Strips(code, scratch, 3)
    used = [0, 1] if luminance else [1]
    with (
        code.loop(0, count, 1) as n,
        part.each(rows, columns, width) as (first, kept, valid),
    ):
        start, second = (
            code.at(_plane(code, one, kind, n, rows, pitch), kind, first)
            for one in (planes, others)
        )
        known = code.at(moments, FLOAT, code.add(kept, code.multiply(n, size)))
        total = code.at(sums, DOUBLE, code.multiply(n, 2))
        for term in used:
            _clear(code, part.sums[term], part.width)

        def fill(row: Any) -> None:
            line = code.multiply(row, pitch)
            part.fill(row, code.at(second, kind, line), code.at(start, kind, line), kind)

        def emit(row: Any, count: int) -> None:
            with part.rows(row, count) as (i, found):
                so_far = {term: code.load(part.sums[term], i) for term in used}
                for k, filtered in enumerate(found):
                    mean, variance = _moments_of(code, known, code.add(row, k), width)
                    terms = _terms(filtered, code.load(mean, i), code.load(variance, i), luminance)
                    for term, value in zip(used, terms, strict=True):
                        so_far[term] = so_far[term] + value
                for term in used:
                    code.store(so_far[term], part.sums[term], i)
            with code.when(code.equals(code.both(row, _FLUSHED_ROWS - 2), _FLUSHED_ROWS - 2)):
                flush()

        def flush() -> None:
            for term in used:
                _flush(code, part.sums[term], valid, code.at(total, DOUBLE, term))
                _clear(code, part.sums[term], part.width)

        _each_pair(code, rows, fill, emit)
        flush()
    code.end()


def _terms(
    filtered: Sequence[Vector], mean: Vector, variance: Vector, luminance: bool
) -> list[Vector]:
    """SSIM, and contrast and structure (Wang et al. 2004, equations 12 and 13)."""
    average, square, product = filtered
    above = (product - average * mean) * 2 + _C2
    below = (square - average * average) + variance + _C2
    if not luminance:
        return [above / below]
    one, two = average + _CENTRE, mean + _CENTRE
    bright = one * one + two * two + _C1
    ratio = above / (below * bright)
    return [(one * two * 2 + _C1) * ratio, bright * ratio]


def _clear(code: Code, line: Any, width: Any) -> None:
    with code.loop(0, width, code.lanes) as i:
        code.store(code.zero(), line, i)


def _flush(code: Code, line: Any, count: Any, sum_: Any) -> None:
    """Adds single float32 to a float64, in their order."""
    with code.loop(0, count, 1) as i:
        code.accumulate(sum_, code.load_one(line, i))


def _halve(text: ir.Module, name: str, lanes: int, kind: ir.Type) -> None:
    """2×2 means of a plane of rows of ``pitch`` samples into ``rows × columns`` float32."""
    code = Code(text, name, [POINTER, LONG, LONG, LONG, POINTER], lanes)
    plane, pitch, rows, columns, means = code.arguments
    with code.loop(0, rows, 1) as row:
        above = code.at(plane, kind, code.multiply(code.multiply(row, pitch), 2))
        below = code.at(above, kind, pitch)
        out = code.at(means, FLOAT, code.multiply(row, columns))
        with code.loop(0, columns, code.lanes) as i:
            twice = code.multiply(i, 2)
            upper, lower = (
                even + odd
                for even, odd in (code.load_pairs(line, twice, kind) for line in (above, below))
            )
            code.store((upper + lower) * 0.25, out, i)
    code.end()


def _split(text: ir.Module, name: str) -> None:
    """Interleaved RGB of uint8 into three planes that lie ``pitch`` apart."""
    code = Code(text, name, [POINTER, LONG, POINTER, LONG], 16)
    samples, pixels, out, pitch = code.arguments
    planes = [code.at(out, BYTE, code.multiply(pitch, c)) for c in range(3)]
    whole = code.both(pixels, -code.lanes)
    with code.loop(0, whole, code.lanes) as i:
        for plane, values in zip(planes, code.load_rgb(samples, i), strict=True):
            code.store_bytes(values, plane, i)
    with code.loop(whole, pixels, 1) as i:
        for c, plane in enumerate(planes):
            code.copy_byte(samples, code.add(code.multiply(i, 3), c), plane, i)
    code.end()


def _squared_error(text: ir.Module, name: str, lanes: int) -> None:
    """Adds to a float64 the sum of the squared differences of uint8 samples, 64 times n of them."""
    code = Code(text, name, [POINTER, POINTER, LONG, POINTER], lanes)
    one, other, samples, sum_ = code.arguments
    places = range(0, SQUARED_UNIT, lanes)
    with code.loop(0, samples, SQUARED_UNIT * _EXACT_SUMS) as first:
        last = code.smaller(code.add(first, SQUARED_UNIT * _EXACT_SUMS), samples)
        start = [code.zero() for _ in places]
        with code.reduce(first, last, SQUARED_UNIT, start) as (i, totals):
            at = [code.add(i, place) for place in places]
            errors = [code.difference(one, other, k) for k in at]
            totals.next = [
                total + error * error for total, error in zip(totals.now, errors, strict=True)
            ]
        for total in totals.end:
            code.accumulate(sum_, code.sum_of(total))
    code.end()


_PRODUCTS = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (0, 1): 3, (1, 1): 4, (0, 2): 5}
"""Where the sum of the products of a channel and the one so many samples on is kept."""


def _cross_moments(text: ir.Module, name: str, lanes: int) -> None:
    """Adds to six float64 the sums of products of the differences of two interleaved RGB pictures
    of uint8, of channels 00, 01, 02, 11, 12, 22; ``pixels`` is 16 times n.

    Samples stay interleaved: each is multiplied with itself and the next two, and what belongs to
    which channels, or to two pixels and so to nothing, is told apart in the sums.
    """
    code = Code(text, name, [POINTER, POINTER, LONG, POINTER], lanes)
    one, other, pixels, sums = code.arguments
    step = lanes * _EXACT_SUMS
    with code.loop(0, pixels, step) as first:
        last = code.smaller(code.add(first, step), pixels)
        start = [code.zero() for _ in range(9)]
        with code.reduce(first, last, lanes, start) as (i, totals):
            place = code.multiply(i, 3)
            errors = [code.difference(one, other, code.add(place, n * lanes)) for n in range(3)]
            following = [*errors[1:], code.zero()]
            products = [
                error * (code.shifted(error, after, by) if by else error)
                for by in range(3)
                for error, after in zip(errors, following, strict=True)
            ]
            totals.next = [total + new for total, new in zip(totals.now, products, strict=True)]
        for n, total in enumerate(totals.end):
            by, part = divmod(n, 3)
            for lane in range(lanes):
                product = _PRODUCTS.get((by, (part * lanes + lane) % 3))
                if product is not None:
                    code.accumulate(code.at(sums, DOUBLE, product), code.lane(total, lane))
    code.end()
