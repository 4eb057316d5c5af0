"""Butteraugli, through libjxl's tool ``butteraugli_main``."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING, ClassVar

from bench.errors import CodecError, Unavailable
from bench.machine import file_digest
from bench.metrics.base import FrameMetric
from bench.metrics.info import MetricInfo

if TYPE_CHECKING:
    from bench.signals import Frame

_TOOL = "butteraugli_main"
_NORM = re.compile(r"3-norm: ([0-9.]+(?:e[+-]?[0-9]+)?)")
_SECONDS = 300


class Butteraugli(FrameMetric[bytes]):
    """The 3-norm of the map of butteraugli distances."""

    info: ClassVar[MetricInfo] = MetricInfo(
        id="butteraugli",
        title="Butteraugli, 3-norm",
        definition="3-norm of libjxl's butteraugli map, sRGB at 80 cd/m²; 0: identical",
        purpose=(
            "Predicts whether a difference is just visible to an attentive viewer who flips "
            "between two pictures. Made for high quality: above about 3 its order of bad "
            "pictures means little. Encoders of libjxl minimise it."
        ),
        higher_is_better=False,
        tolerance=0.02,
        shown=True,
        smallest=(8, 8),
        samples=("rgb",),
        needs="apt-get install libjxl-devtools (butteraugli_main on PATH)",
    )

    @classmethod
    def check_available(cls) -> None:
        if which(_TOOL) is None:
            raise Unavailable(f"no {_TOOL} on PATH; apt-get install libjxl-devtools")

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        # the tool says no version: the binary itself is one
        return {_TOOL: file_digest(Path(which(_TOOL) or ""))}

    def prepare(self, reference: Frame) -> bytes:
        return _ppm(reference)

    def score(self, prepared: bytes, decoded: Frame) -> float:
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder) / name for name in ("reference.ppm", "decoded.ppm")]
            for file, content in zip(files, (prepared, _ppm(decoded)), strict=True):
                file.write_bytes(content)
            done = subprocess.run(
                [_TOOL, *map(str, files)], capture_output=True, text=True, timeout=_SECONDS,
                check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        found = _NORM.search(done.stdout)
        if found is None:
            said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["nothing"]
            raise CodecError(f"{_TOOL} failed ({done.returncode}): {said[0]}")
        return float(found.group(1))


def _ppm(frame: Frame) -> bytes:
    height, width = frame.shape[:2]
    return f"P6 {width} {height} 255\n".encode() + frame.tobytes()
