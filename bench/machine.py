"""Facts about this machine, its libraries and how it took times, for run.json. Measures nothing."""

from __future__ import annotations

import os
import platform
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
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def library_versions() -> dict[str, str]:
    """Installed versions of the libraries that numbers may depend on; absent ones are left out."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def timing_protocol(processor: str, workers: int, *, repeats: int, cluster: bool) -> str:
    """How times were taken, in a sentence that a paper can quote."""
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
