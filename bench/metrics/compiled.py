"""Machine code of the metrics' loops: translated by LLVM once for a machine, then loaded.

Translation takes a second, longer than coding a picture, so that the object file is kept beside
this module or in the user's cache.
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
from numpy.typing import NDArray

_SOURCES = tuple(Path(__file__).with_name(name) for name in ("kernels.py", "vectors.py"))
_POINTER, _LONG = ctypes.c_void_p, ctypes.c_int64
_PREPARE = (_POINTER, *[_LONG] * 6, *[_POINTER] * 2)
_COMPARE = (*[_POINTER] * 2, *[_LONG] * 6, *[_POINTER] * 3)
_HALVE = (_POINTER, *[_LONG] * 3, _POINTER)
_ARGUMENTS = {
    "prepare_bytes": _PREPARE,
    "prepare_floats": _PREPARE,
    "compare_bytes": _COMPARE,
    "compare_floats": _COMPARE,
    "contrast_floats": _COMPARE,
    "halve_bytes": _HALVE,
    "halve_floats": _HALVE,
    "split": (_POINTER, _LONG, _POINTER, _LONG),
    "cross_moments": (*[_POINTER] * 2, _LONG, _POINTER),
    "squared_error": (*[_POINTER] * 2, _LONG, _POINTER),
}
_WIDE, _LANES_WIDE, _LANES = "avx512f", 16, 8
"""Vectors of as many float32; LLVM takes them apart where registers are shorter."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of kernels.py; they take addresses and release the interpreter's lock."""

    prepare_bytes: Callable[..., None]
    prepare_floats: Callable[..., None]
    compare_bytes: Callable[..., None]
    compare_floats: Callable[..., None]
    contrast_floats: Callable[..., None]
    halve_bytes: Callable[..., None]
    halve_floats: Callable[..., None]
    split: Callable[..., None]
    cross_moments: Callable[..., None]
    squared_error: Callable[..., None]


@cache
def kernels() -> Kernels:
    """The loops. On a machine's first call they are translated, which takes a second or two."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return _load(_kept() or _translate())


def address(array: NDArray[Any]) -> int:
    """Where the samples of a contiguous array begin."""
    return int(array.ctypes.data)


def _files() -> Iterator[Path]:
    """Where the machine code of these sources for this processor may lie, best place first."""
    processor = f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}"
    facts = [processor, llvm.get_process_triple(), version("llvmlite")]
    sources = b"".join(source.read_bytes() for source in _SOURCES)
    mark = hashlib.sha256(sources + json.dumps(facts).encode()).hexdigest()[:24]
    name = f"kernels-{mark}.o"
    yield _SOURCES[0].parent / "__pycache__" / name
    from bench.datasets.locate import cache_folder

    yield cache_folder() / "kernels" / name


def _kept() -> bytes | None:
    """What was translated before; a file that is not whole counts as none."""
    for file in _files():
        with contextlib.suppress(OSError):
            if (found := _unpack(file.read_bytes())) is not None:
                return found
    return None


def _pack(code: bytes) -> bytes:
    return hashlib.sha256(code).hexdigest().encode() + b"\n" + code


def _unpack(data: bytes) -> bytes | None:
    """What ``_pack`` wrote, or None if it is not whole."""
    _, _, code = data.partition(b"\n")
    return code if data == _pack(code) else None


def _machine() -> Any:
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        jit=True,
    )


def _translate() -> bytes:
    if sys.stderr.isatty():
        print("translating the metrics' loops for this processor, once …", file=sys.stderr)
    from bench.metrics import kernels as source

    machine = _machine()
    wide = llvm.get_host_cpu_features().get(_WIDE, False)
    code = llvm.parse_assembly(source.module(_LANES_WIDE if wide else _LANES))
    code.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    passes = llvm.create_pass_builder(machine, options)
    passes.getModulePassManager().run(code, passes)
    found: bytes = machine.emit_object(code)
    _keep(_pack(found))
    return found


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


def _load(code: bytes) -> Kernels:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    found = {}
    for name, arguments in _ARGUMENTS.items():
        found[name] = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    return Kernels(**found)


_engines: list[Any] = []
"""They own the code: as long as the process."""
