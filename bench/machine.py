"""Facts about this machine, its libraries and how it took times, for run.json. Measures nothing."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = (
    "numpy", "pillow", "pillow-jxl-plugin", "opencv-python-headless", "imageio-ffmpeg", "torch",
    "compressai", "constriction", "scikit-image",
)  # fmt: skip


def describe_machine() -> dict[str, str]:
    """Operating system, processor, cores and Python of this process."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": str(os.cpu_count() or 1),
        "python": platform.python_version(),
    }


def _processor() -> str:
    return _processor_facts().get("model name") or platform.processor() or platform.machine()


def _processor_facts() -> dict[str, str]:
    """What Linux says of the first processor; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    if not info.is_file():
        return {}
    first = info.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def file_digest(path: Path) -> str:
    """A file's sha256; computed again when the file changes."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def device_kind(device: str) -> str:
    """What decides how floating-point sums round on ``cpu`` or ``cuda``: the GPU's name, or the
    processor's model with the vector instructions that torch uses on it."""
    import torch

    if device.startswith("cuda"):
        return f"cuda {torch.cuda.get_device_name(device)}"
    return f"cpu {torch.backends.cpu.get_cpu_capability()} {_processor_model()}"


INSTRUCTION_SETS: Mapping[str, Mapping[str, str]] = {
    "AVX2": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    "SSE4": {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
}
"""What holds PyTorch, MKL and oneDNN to an older processor, where it is set before they compute."""


def older_instructions() -> str:
    """The instruction set that this processor has beside its own; neither has AVX-512."""
    return "AVX2" if "avx512f" in _processor_facts().get("flags", "").split() else "SSE4"


def _processor_model() -> str:
    """Vendor, family and model number: libraries choose their kernels by these, and unlike the
    name they are the same whatever a cloud calls the machine."""
    facts = _processor_facts()
    words = [facts.get(key, "") for key in ("vendor_id", "cpu family", "model")]
    return "-".join(words) if all(words) else _processor()


@cache
def multiplies_bfloat16() -> bool:
    """Whether torch multiplies in bfloat16 by instructions of this processor. Elsewhere it emulates
    them, which takes many times as long as float32."""
    import torch
    from llvmlite import binding as llvm

    features = llvm.get_host_cpu_features()
    native = any(features.get(name, False) for name in ("avx512bf16", "amx-bf16"))
    return native and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that numbers may depend on; absent ones are left out."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def timing_protocol(
    processor: str, workers: int, *, devices: Sequence[str] = (), repeats: int, cluster: bool
) -> str:
    """How times were taken, in words that a paper can quote; ``devices`` are those on which
    networks ran."""
    sentence = _timing_sentence(processor, workers, repeats=repeats, cluster=cluster)
    return f"{sentence} Networks ran on {' and '.join(devices)}." if devices else sentence


def _timing_sentence(processor: str, workers: int, *, repeats: int, cluster: bool) -> str:
    if repeats:
        return (
            f"Times are medians of {repeats} calls after one that is not counted, one task "
            f"at a time and one thread, pinned to one core of an otherwise idle {processor}; "
            "entropy coding is included, file reading and metrics are not, the spread is the "
            "interquartile range, and CPU seconds include child processes."
        )
    if workers == 1 and not cluster:
        return "Wall time of one encode or decode call, one thread, one task at a time."
    return (
        f"Wall time of one encode or decode call, one thread, {workers} tasks in parallel"
        f"{' on a cluster' if cluster else ''}: indicative, not ranked."
    )
