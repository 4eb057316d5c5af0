"""Facts about this machine and its installed libraries for run.json. Measures nothing."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_LIBRARIES = (
    "numpy", "pillow", "pillow-jxl-plugin", "opencv-python-headless", "imageio-ffmpeg", "torch",
    "compressai", "constriction", "bjontegaard", "scikit-image", "pytorch-msssim",
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
