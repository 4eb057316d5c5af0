"""Machine code of the metrics' loops: compiled by numba once for a machine, then loaded without it.

Importing numba takes longer than coding a picture, so that what it compiles is kept as an object
file beside this module or in the user's cache, and LLVM's loader alone brings it in.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numpy.typing import NDArray

_SOURCE = Path(__file__).with_name("kernels.py")
_POINTER, _LONG = ctypes.c_void_p, ctypes.c_int64
_ARGUMENTS = {
    "prepare": (*[_POINTER] * 2, *[_LONG] * 4, *[_POINTER] * 4),
    "compare": (*[_POINTER] * 4, *[_LONG] * 4, *[_POINTER] * 4, _LONG, *[_POINTER] * 2),
    "halve": (*[_POINTER] * 2, *[_LONG] * 4, _POINTER),
    "cross_moments": (*[_POINTER] * 2, *[_LONG] * 2, *[_POINTER] * 2),
}


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of kernels.py; they take addresses and release the interpreter's lock."""

    prepare: Callable[..., None]
    compare: Callable[..., None]
    halve: Callable[..., None]
    cross_moments: Callable[..., None]


@dataclass(frozen=True, slots=True)
class _Object:
    """An object file: the function in it, and what it names but has not."""

    symbol: str
    missing: tuple[str, ...]
    code: bytes


@cache
def kernels() -> Kernels:
    """The compiled loops. On a machine's first call they are compiled, which takes some seconds."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return _load(_kept() or _compile())


def address(array: NDArray[Any]) -> int:
    """Where the samples of a contiguous array begin."""
    return int(array.ctypes.data)


def addresses(array: NDArray[Any]) -> tuple[int, int, int]:
    """Of uint8 or float32: its address as the one or as the other, and whether it is uint8."""
    is_bytes = array.dtype == np.uint8
    place = address(array)
    return (place, 0, 1) if is_bytes else (0, place, 0)


def _files() -> Iterator[Path]:
    """Where the machine code of this source for this processor may lie, best place first."""
    processor = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    facts = [processor, llvm.get_process_triple(), version("numba"), version("llvmlite")]
    mark = hashlib.sha256(_SOURCE.read_bytes() + json.dumps(facts).encode()).hexdigest()[:24]
    name = f"kernels-{mark}.o"
    yield _SOURCE.parent / "__pycache__" / name
    from bench.datasets.locate import cache_folder

    yield cache_folder() / "kernels" / name


def _kept() -> dict[str, _Object] | None:
    """What was compiled before; a file that is not whole counts as none."""
    for file in _files():
        with contextlib.suppress(OSError):
            if (found := _unpack(file.read_bytes())) is not None:
                return found
    return None


def _pack(objects: dict[str, _Object]) -> bytes:
    body = b"".join(one.code for one in objects.values())
    table = {name: [one.symbol, one.missing, len(one.code)] for name, one in objects.items()}
    head = json.dumps(table).encode()
    return b"\n".join([hashlib.sha256(head + body).hexdigest().encode(), head, body])


def _unpack(data: bytes) -> dict[str, _Object] | None:
    """What ``_pack`` wrote, or None if it is not whole."""
    digest, _, rest = data.partition(b"\n")
    head, _, body = rest.partition(b"\n")
    if digest != hashlib.sha256(head + body).hexdigest().encode():
        return None
    objects, start = {}, 0
    for name, (symbol, missing, length) in json.loads(head).items():
        objects[name] = _Object(symbol, tuple(missing), body[start : start + length])
        start += length
    return objects


def _compile() -> dict[str, _Object]:
    if sys.stderr.isatty():
        print("compiling the metrics' loops for this processor, once …", file=sys.stderr)
    from bench.metrics import kernels as source

    objects = {}
    for name in _ARGUMENTS:
        function = getattr(source, name)
        library = function._library
        _, _, (code, _) = library.serialize_using_object_code()
        module = library._final_module
        declared = [*module.functions, *module.global_variables]
        missing = (one.name for one in declared if one.is_declaration)
        objects[name] = _Object(
            function._wrapper_name,
            tuple(one for one in missing if not one.startswith("llvm.")),
            code,
        )
    _keep(_pack(objects))
    return objects


def _keep(data: bytes) -> None:
    """Writes the file where that is possible; else the next process compiles again."""
    for file in _files():
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent)
            with os.fdopen(handle, "wb") as out:
                out.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(file)
            return


def _load(objects: dict[str, _Object]) -> Kernels:
    target = llvm.Target.from_default_triple().create_target_machine(jit=True)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
    # numba's ways to raise an error, which these functions never do; LLVM wants an address all the
    # same, and numba sets its own when it is imported
    nowhere = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for one in objects.values():
        for name in one.missing:
            if llvm.address_of_symbol(name) is None:
                llvm.add_symbol(name, nowhere)
        engine.add_object_file(llvm.ObjectFileRef.from_data(one.code))
    engine.finalize_object()
    _engines.append(engine)
    found = {}
    for name, arguments in _ARGUMENTS.items():
        place = engine.get_function_address(objects[name].symbol)
        found[name] = ctypes.CFUNCTYPE(None, *arguments)(place)
    return Kernels(**found)


_engines: list[Any] = []
"""They own the code: as long as the process."""
