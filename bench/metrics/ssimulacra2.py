"""SSIMULACRA 2: the weights, colour space and score of the package ssimulacra2, libjxl's blur.

The package blurs with a cut-off Gaussian that is reflected at two of four edges; libjxl with a
recursive filter in zeros. With libjxl's the score follows its own tool.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar, cast

from bench.metrics.base import FrameMetric
from bench.metrics.info import MetricInfo
from bench.metrics.packages import EXTRA, Packaged

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench.signals import Frame

    Floats = NDArray[np.float32]

_SCALES = 6
_SMALLEST_SIDE = 8
_SIGMA = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """One scale of a picture in positive XYB ``(H, W, 3)``, with its local means and squares."""

    samples: Floats
    mean: Floats
    square: Floats


class Ssimulacra2(Packaged, FrameMetric[list[_Scale]]):
    """Structural similarity unveiling local and compression related artifacts, 2.1."""

    module = distribution = "ssimulacra2"
    prepared_bytes: ClassVar[int] = 16
    info: ClassVar[MetricInfo] = MetricInfo(
        id="ssimulacra2",
        title="SSIMULACRA 2",
        definition=(
            "Sneyers 2023, version 2.1, sRGB; 100: identical, 90: not told apart at 1:1; "
            "of clips the mean over frames"
        ),
        purpose=(
            "Predicts opinion scores of still pictures that were coded by JPEG, JPEG 2000, JPEG "
            "XL, WebP, AVIF and HEIC, from medium to visually lossless quality. Not made for "
            "learned codecs, for clips, or for what is worse than about 30."
        ),
        cap=100.0,
        saturation=100.0,
        tolerance=0.2,
        shown=True,
        samples=("rgb",),
        smallest=(_SMALLEST_SIDE, _SMALLEST_SIDE),
        needs=EXTRA,
    )

    def prepare(self, reference: Frame) -> list[_Scale]:
        return _scales(reference)

    def score(self, prepared: list[_Scale], decoded: Frame) -> float:
        from ssimulacra2 import ssimulacra2 as package

        total = package.Msssim()
        for one, other in zip(prepared, _scales(decoded), strict=True):
            norms = package.MsssimScale()
            both = _blurred(one.samples * other.samples)
            norms.avg_ssim = package.ssim_map(one.mean, other.mean, one.square, other.square, both)
            norms.avg_edgediff = package.edge_diff_map(
                one.samples, one.mean, other.samples, other.mean
            )
            total.scales.append(norms)
        return float(total.score())


def _scales(frame: Frame) -> list[_Scale]:
    """Up to six scales, each half as large as the one before, down to 8 lines."""
    import cv2

    cv2.setNumThreads(1)
    linear = _linear_table()[frame]
    found = []
    for scale in range(_SCALES):
        if scale:
            linear = _halved(linear)
        if min(linear.shape[:2]) < _SMALLEST_SIDE:
            break
        samples = _positive_xyb(linear)
        found.append(_Scale(samples, _blurred(samples), _blurred(samples * samples)))
    return found


@cache
def _linear_table() -> Floats:
    """Linear light of the 256 sRGB values."""
    import numpy as np
    from ssimulacra2 import ssimulacra2 as package

    levels = np.arange(256, dtype=np.float64)
    table: Floats = package.srgb_to_linear(levels).astype(np.float32)
    return table


def _halved(linear: Floats) -> Floats:
    """2×2 means; an odd last row or column is repeated."""
    import cv2
    import numpy as np

    height, width = linear.shape[:2]
    if height % 2 or width % 2:
        linear = np.pad(linear, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    size = (linear.shape[1] // 2, linear.shape[0] // 2)
    return cast("Floats", cv2.resize(linear, size, interpolation=cv2.INTER_AREA))


def _positive_xyb(linear: Floats) -> Floats:
    """The package's ``make_positive_xyb(linear_rgb_to_xyb(…))`` in single precision."""
    import cv2
    import numpy as np
    from ssimulacra2 import ssimulacra2 as package

    matrix = package.kOpsinAbsorbanceMatrix.reshape(3, 3)
    bias = package.kOpsinAbsorbanceBias[:, None]
    mixed = cv2.transform(linear, np.hstack([matrix, bias]).astype(np.float32))
    roots = np.cbrt(np.maximum(mixed, 0)) - np.cbrt(np.float32(bias[0, 0]))
    half = np.float32(0.5)
    # x = (l − m)/2, y = (l + m)/2, b; then 14·x + 0.42, y + 0.01, b − y + 0.55
    to_xyb = np.array([[7, -7, 0], [half, half, 0], [-half, -half, 1]], np.float32)
    offsets = np.array([[0.42], [0.01], [0.55]], np.float32)
    return cast("Floats", cv2.transform(roots, np.hstack([to_xyb, offsets])))


def _blurred(samples: Floats) -> Floats:
    import cv2

    kernel = _kernel()
    blurred = cv2.sepFilter2D(samples, cv2.CV_32F, kernel, kernel, borderType=cv2.BORDER_CONSTANT)
    return cast("Floats", blurred)


@cache
def _kernel() -> Floats:
    """Impulse response of the truncated-cosine Gaussian of Charalampidis (IEEE Transactions on
    Signal Processing 64, 2016, section III), three cosines, σ 1.5, as libjxl filters with."""
    import numpy as np

    radius = round(3.2795 * _SIGMA + 0.2546)
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    signs = np.array([1, -1, 1])
    p = signs / np.tan(omega / 2)
    r = signs * p**2 / np.sin(omega)
    rho = np.exp(-(_SIGMA**2) * omega**2 / 2) / radius
    d13, d35, d51 = (p[i] * r[j] - r[i] * p[j] for i, j in ((0, 1), (1, 2), (2, 0)))
    zeta = np.array([d35 / d13, d51 / d13, 1.0])
    gains = np.linalg.solve(
        np.stack([p, r, zeta]), np.array([1.0, radius**2 - _SIGMA**2, zeta @ rho])
    )
    taps = np.arange(-radius, radius + 1)
    kernel: Floats = (gains @ np.cos(np.outer(omega, taps))).astype(np.float32)
    return kernel
