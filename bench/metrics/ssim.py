"""SSIM and MS-SSIM of many distorted versions of one reference, by the loops of kernels.py.

Owns the reference side (means, variances, pyramid), which is computed once; knows nothing of
files, codecs or which metrics a suite wants.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Basis, Stack, Values
from bench.metrics.compiled import address, kernels
from bench.signals import Layout

WINDOW = 11
MARGIN = WINDOW // 2
# Wang, Simoncelli, Bovik: Multi-scale structural similarity (2003), section 3.2
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
PREPARED_SAMPLES = 300_000
"""What of a frame that is not kept is prepared at a time."""
BYTES_PER_SAMPLE = 1 + 4 / 3 + 8 * 4 / 3
"""What a kept reference takes: its samples at five scales, of which the last four are float32, and
two float32 of each."""
CACHE_LINE = 64
# kernels.py has the same: importing it takes a fifth of a second
PADDING, LARGEST_STRIP, STRIP_UNIT, SCRATCH_SAMPLES = 64, 768, 16, 44096

Samples = NDArray[Any]
Floats = NDArray[np.float32]


def _memory(length: int, dtype: type) -> Samples:
    """An array that begins where a line of the cache does: vectors then lie in one line each."""
    size = np.dtype(dtype).itemsize
    raw = np.empty(length * size + CACHE_LINE, np.uint8)
    first = -address(raw) % CACHE_LINE
    return raw[first : first + length * size].view(dtype)


class _Scratch(threading.local):
    """Arrays that comparisons of one thread reuse: the page faults of fresh ones cost more than
    the arithmetic on them. Each grows to the largest size asked for."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, type], Samples] = {}

    @cached_property
    def rows(self) -> int:
        """Where the loops of kernels.py may write while they run."""
        return address(self.array("rows", SCRATCH_SAMPLES, np.float32))

    def array(self, name: str, length: int, dtype: type) -> Samples:
        """An array with undefined content, valid until ``name`` is asked for again."""
        buffer = self._buffers.get((name, dtype))
        if buffer is None or len(buffer) < length:
            buffer = self._buffers[name, dtype] = _memory(length, dtype)
        return buffer


_scratch = _Scratch()


@dataclass(frozen=True, slots=True)
class Similarity:
    """Of each frame: mean SSIM, and MS-SSIM where it was asked for; shape ``(frames,)``."""

    ssim: NDArray[np.float64]
    ms_ssim: NDArray[np.float64] | None

    def exact_where(self, same: NDArray[np.bool_]) -> Similarity:
        """With exactly 1 for the frames that are identical, instead of 1 but for rounding."""
        ms_ssim = None if self.ms_ssim is None else np.where(same, 1.0, self.ms_ssim)
        return Similarity(np.where(same, 1.0, self.ssim), ms_ssim)


class Structure(Basis):
    """``ssim`` and ``ms_ssim`` of a stack of frames, each of every frame."""

    def __init__(
        self, frames: Stack, layout: Layout, wanted: frozenset[str], *, keep: bool
    ) -> None:
        self._multi_scale = "ms_ssim" in wanted
        self._reference = SsimReference(frames, multi_scale=self._multi_scale, keep=keep)

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        ones = np.ones(len(mse))
        found = Similarity(ones, ones if self._multi_scale else None)
        if mse.any():
            found = self._reference.compare(decoded)
        found = found.exact_where(mse == 0)
        scores = {"ssim": found.ssim}
        return scores if found.ms_ssim is None else scores | {"ms_ssim": found.ms_ssim}

    @staticmethod
    def kept_bytes(wanted: frozenset[str]) -> float:
        return BYTES_PER_SAMPLE


class SsimReference:
    """Frames to compare against: uint8 ``(T, H, W)`` gray or ``(T, H, W, 3)``.

    SSIM follows Wang et al., Image quality assessment (2004), equation 13, over the region where
    the window lies inside the picture; MS-SSIM follows Wang et al. (2003) with 2×2 means between
    scales, negative terms set to 0 and odd sizes padded by a zero row or column in front, which
    is pytorch-msssim's definition.
    """

    def __init__(self, frames: Samples, *, multi_scale: bool, keep: bool = True) -> None:
        self._levels = len(WEIGHTS) if multi_scale else 1
        self._channels = frames.shape[3] if frames.ndim == 4 else 1
        pyramid = _pyramid(frames, self._levels, lambda level, length, kind: _memory(length, kind))
        self._scales = [_Scale(planes, keep=keep) for planes in pyramid]

    def compare(self, frames: Samples) -> Similarity:
        """SSIM and MS-SSIM of frames of the reference's shape."""
        last = self._levels - 1
        product = np.ones(1)
        for level, planes in enumerate(_pyramid(frames, self._levels, _lend)):
            ssim, contrast = self._scales[level].compare(planes, luminance=level in (0, last))
            if level == 0:
                mean = self._mean(ssim)
            if last:
                factor = ssim if level == last else contrast
                product = product * np.maximum(factor, 0) ** WEIGHTS[level]
        return Similarity(mean, self._mean(product) if last else None)

    def _mean(self, values: Values) -> Values:
        """Mean over channels; rounding puts that of (nearly) identical pictures up to 3e-6 above
        1."""
        of_frames = values.reshape(-1, self._channels).mean(axis=1)
        return np.asarray(np.minimum(of_frames, 1), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Planes:
    """The channels of all frames, one after the other, ``PADDING`` samples longer than they are;
    ``start`` is the address of the first."""

    samples: Samples
    start: int
    count: int
    rows: int
    columns: int

    @classmethod
    def of(cls, samples: Samples, count: int, rows: int, columns: int) -> _Planes:
        return cls(samples, address(samples), count, rows, columns)

    @property
    def is_bytes(self) -> bool:
        return bool(self.samples.dtype == np.uint8)

    def place(self, plane: int, row: int) -> int:
        """The address of the first sample of a row."""
        offset = (plane * self.rows + row) * self.columns
        return self.start + offset * self.samples.itemsize


Lend = Callable[[int, int, type], Samples]
"""Memory for the planes of a scale: its number, the length, the type."""


def _lend(level: int, length: int, kind: type) -> Samples:
    return _scratch.array(f"level {level}", length, kind)


def _pyramid(frames: Samples, levels: int, lend: Lend) -> Iterator[_Planes]:
    """The planes of frames of uint8, and 2×2 means of those before."""
    count, rows, columns, *tail = frames.shape
    channels = tail[0] if tail else 1
    memory = lend(0, frames.size + PADDING, np.uint8)
    planes = _Planes.of(memory, count * channels, rows, columns)
    if tail:
        for index, frame in enumerate(frames):
            pixels, first = np.ascontiguousarray(frame), planes.place(channels * index, 0)
            kernels().split(address(pixels), rows * columns, first, rows * columns)
    else:
        memory[: frames.size].reshape(frames.shape)[:] = frames
    yield planes
    for level in range(1, levels):
        planes = _halve(_even(planes), partial(lend, level))
        yield planes


def _even(planes: _Planes) -> _Planes:
    """With a row and a column of zeros in front where their number is odd."""
    top, left = planes.rows % 2, planes.columns % 2
    if not top and not left:
        return planes
    shape = (planes.count, planes.rows, planes.columns)
    rows, columns = planes.rows + top, planes.columns + left
    padded = np.zeros(planes.count * rows * columns + PADDING, planes.samples.dtype)
    inside = padded[:-PADDING].reshape(-1, rows, columns)
    inside[:, top:, left:] = planes.samples[: math.prod(shape)].reshape(shape)
    return _Planes.of(padded, planes.count, rows, columns)


def _halve(planes: _Planes, lend: Callable[[int, type], Samples]) -> _Planes:
    rows, columns = planes.rows // 2, planes.columns // 2
    memory = lend(planes.count * rows * columns + PADDING, np.float32)
    halved = _Planes.of(memory, planes.count, rows, columns)
    call = kernels().halve_bytes if planes.is_bytes else kernels().halve_floats
    # of an even number of rows, so that all planes are halved as one
    call(planes.start, planes.columns, planes.count * rows, columns, halved.start)
    return halved


class _Scale:
    """One scale of a reference: means and variances of its windows, computed once if ``keep``,
    else some rows at a time for every comparison: it then takes no memory but its samples."""

    def __init__(self, planes: _Planes, *, keep: bool) -> None:
        self._planes = planes
        self._rows, self._columns = planes.rows - 2 * MARGIN, planes.columns - 2 * MARGIN
        parts = math.ceil(self._columns / LARGEST_STRIP)
        self._width = STRIP_UNIT * math.ceil(self._columns / parts / STRIP_UNIT)
        self._moments: Floats | None = None
        self._kept = 0
        if keep:
            self._moments = _memory(planes.count * self._size(self._rows), np.float32)
            self._kept = address(self._moments)
            self._prepare(planes.start, planes.count, self._rows, self._kept)

    def _size(self, rows: int) -> int:
        return 2 * rows * self._width * math.ceil(self._columns / self._width)

    def _shape(self, rows: int) -> tuple[int, ...]:
        """What the loops need to know of ``rows`` rows of a plane."""
        return self._planes.columns, rows, self._columns, self._width, self._size(rows)

    def _prepare(self, place: int, count: int, rows: int, moments: int) -> None:
        loops = kernels()
        call = loops.prepare_bytes if self._planes.is_bytes else loops.prepare_floats
        call(place, count, *self._shape(rows), _scratch.rows, moments)

    def compare(self, planes: _Planes, *, luminance: bool) -> tuple[Values, Values]:
        """Mean SSIM and mean contrast-structure term of each plane; where the luminance term is
        not asked for, the first is 0."""
        loops = kernels()
        call = loops.compare_floats if luminance else loops.contrast_floats
        if planes.is_bytes:
            call = loops.compare_bytes
        sums = np.zeros((planes.count, 2))
        if self._moments is not None:
            call(
                self._planes.start, planes.start, planes.count, *self._shape(self._rows),
                _scratch.rows, self._kept, address(sums),
            )  # fmt: skip
        else:
            for plane, sum_ in enumerate(sums):
                self._compare_anew(call, planes, plane, sum_)
        sums /= self._rows * self._columns
        return sums[:, 0], sums[:, 1]

    def _compare_anew(
        self, call: Callable[..., None], planes: _Planes, plane: int, sums: Values
    ) -> None:
        for first, end in pairwise(_edges(self._rows, PREPARED_SAMPLES // self._columns)):
            rows, place = end - first, self._planes.place(plane, first)
            moments = address(_scratch.array("moments", self._size(rows), np.float32))
            self._prepare(place, 1, rows, moments)
            call(
                place, planes.place(plane, first), 1, *self._shape(rows), _scratch.rows, moments,
                address(sums),
            )  # fmt: skip


def _edges(rows: int, at_a_time: int) -> list[int]:
    """Where groups of about so many rows begin, and the last one ends."""
    parts = max(1, round(rows / max(1, at_a_time)))
    return [rows * part // parts for part in range(parts + 1)]
