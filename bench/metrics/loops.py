"""The loops of SSIM, MS-SSIM and PSNR-YUV over planes: those of loops.c, which the package's build
compiles, or where it could not, OpenCV's filters, a third as fast and equal but for rounding."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW = 11
MARGIN = WINDOW // 2
_SIGMA, _K1, _K2 = 1.5, 0.01, 0.03
_PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
_KINDS = {np.dtype(np.uint8): 0, np.dtype(np.uint16): 1, np.dtype(np.float32): 2}
_POINTER, _LONG, _FLOAT, _INT = ctypes.c_void_p, ctypes.c_long, ctypes.c_float, ctypes.c_int
_ARGUMENTS = {
    "moments": (_POINTER, _INT, _LONG, _LONG, _FLOAT, _POINTER, _POINTER),
    "similarity": (_POINTER, _POINTER, _INT, _LONG, _LONG, _FLOAT, _FLOAT, _POINTER, _POINTER, _INT,
                   _POINTER),
    "halve": (_POINTER, _INT, _LONG, _LONG, _POINTER),
    "cross_moments": (_POINTER, _POINTER, _LONG, _POINTER),
}  # fmt: skip

Plane = NDArray[Any]
Floats = NDArray[np.float32]


class Moments(NamedTuple):
    """Mean and variance of the windows that lie inside a plane, ``(H − 10, W − 10)`` each."""

    mean: Floats
    variance: Floats


@cache
def _library() -> ctypes.CDLL | None:
    """The compiled loops, None where there are none; a cached call may be replaced in tests."""
    try:
        library = ctypes.CDLL(str(Path(__file__).with_name("_loops.so")))
    except OSError:
        return None
    for name, arguments in _ARGUMENTS.items():
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, _INT
    return library


def _call(name: str, *arguments: Any) -> None:
    library = _library()
    assert library is not None
    if not getattr(library, name)(*arguments):
        raise MemoryError(f"no memory for the loops of {name}")


def moments(plane: Plane, peak: float) -> Moments:
    """Of a contiguous plane ``(H, W)`` of uint8, uint16 or float32 samples up to ``peak``."""
    if _library() is None:
        return _filtered_moments(_centred(plane, peak))
    height, width = plane.shape
    shape = (height - WINDOW + 1, width - WINDOW + 1)
    found = Moments(np.empty(shape, np.float32), np.empty(shape, np.float32))
    _call("moments", *_plane(plane), height, width, _centre(peak), *map(_address, found))
    return found


def similarity(
    one: Plane, other: Plane, prepared: Moments | None, peak: float, *, luminance: bool
) -> tuple[float, float]:
    """Mean SSIM (Wang et al. 2004, equation 13) and mean of its contrast-structure term over the
    windows inside two contiguous planes of one kind; ``prepared`` are the moments of the first.
    Without ``luminance`` the mean SSIM is 0."""
    height, width = one.shape
    if _library() is None:
        sums = _filtered_similarity(one, other, prepared, peak, luminance)
    else:
        sums = np.zeros(2)
        places = (None, None) if prepared is None else map(_address, prepared)
        planes = (_address(one), *_plane(other), height, width)
        _call("similarity", *planes, peak, _centre(peak), *places, luminance, _address(sums))
    windows = (height - WINDOW + 1) * (width - WINDOW + 1)
    return float(sums[0]) / windows, float(sums[1]) / windows


def halve(plane: Plane) -> Floats:
    """Means of 2×2 samples of a contiguous plane; where its height or width is odd, a row or column
    of zeros comes in front, as in pytorch-msssim."""
    height, width = plane.shape
    if _library() is None:
        padded = np.pad(plane, ((height % 2, 0), (width % 2, 0))).astype(np.float32)
        rows = padded[0::2] + padded[1::2]
        return np.ascontiguousarray((rows[:, 0::2] + rows[:, 1::2]) / 4)
    out = np.empty(((height + 1) // 2, (width + 1) // 2), np.float32)
    _call("halve", *_plane(plane), height, width, _address(out))
    return out


def cross_moments(one: Plane, other: Plane) -> NDArray[np.float64]:
    """Sums ``(3, 3)`` of the products of the differences of two frames ``(H, W, 3)``, exact."""
    one, other = np.ascontiguousarray(one), np.ascontiguousarray(other)
    sums = np.zeros((3, 3))
    if _library() is None or one.dtype != np.uint8:
        import cv2

        difference = cv2.subtract(one, other, dtype=cv2.CV_64F).reshape(-1, 3)
        return np.asarray(cv2.mulTransposed(difference, True, dtype=cv2.CV_64F))
    found = np.zeros(len(_PAIRS), np.int64)
    _call("cross_moments", _address(one), _address(other), one.size // 3, _address(found))
    for (row, column), value in zip(_PAIRS, found, strict=True):
        sums[row, column] = sums[column, row] = value
    return sums


def _address(array: NDArray[Any]) -> int:
    return int(array.ctypes.data)


def _plane(plane: Plane) -> tuple[int, int]:
    assert plane.flags.c_contiguous
    return _address(plane), _KINDS[plane.dtype]


def _centre(peak: float) -> float:
    """What samples are shifted by before they are squared: variances then lose fewer digits."""
    return (peak + 1) / 2


def _centred(plane: Plane, peak: float) -> Floats:
    return np.asarray(plane, np.float32) - np.float32(_centre(peak))


def _filter(plane: Floats) -> Floats:
    import cv2

    weights = np.exp(-((np.arange(WINDOW) - MARGIN) ** 2) / (2 * _SIGMA**2))
    weights /= weights.sum()
    inside = slice(MARGIN, -MARGIN)
    return np.asarray(cv2.sepFilter2D(plane, -1, weights, weights)[inside, inside], np.float32)


def _filtered_moments(centred: Floats) -> Moments:
    mean = _filter(centred)
    return Moments(mean, _filter(centred * centred) - mean * mean)


def _filtered_similarity(
    one: Plane, other: Plane, prepared: Moments | None, peak: float, luminance: bool
) -> NDArray[np.float64]:
    x, y = _centred(one, peak), _centred(other, peak)
    mean, variance = prepared or _filtered_moments(x)
    decoded = _filtered_moments(y)
    covariance = _filter(x * y) - mean * decoded.mean
    c1, c2 = np.float32((_K1 * peak) ** 2), np.float32((_K2 * peak) ** 2)
    contrast = (2 * covariance + c2) / (variance + decoded.variance + c2)
    if not luminance:
        return np.array([0.0, contrast.sum(dtype=np.float64)])
    of_x, of_y = (each + np.float32(_centre(peak)) for each in (mean, decoded.mean))
    whole = contrast * ((2 * of_x * of_y + c1) / (of_x**2 + of_y**2 + c1))
    return np.array([whole.sum(dtype=np.float64), contrast.sum(dtype=np.float64)])


def is_compiled() -> bool:
    """Whether the loops of loops.c are there."""
    return _library() is not None
