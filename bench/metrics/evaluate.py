"""All metrics of one reference signal against any number of decoded ones.

Owns which metrics apply to which signal and the means over frames; the formulas are in the modules
beside this one. The reference side is computed once, or streamed again where a clip is large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.codecs.support.ffmpeg_binary import find_ffmpeg
from bench.errors import CodecError
from bench.metrics import error, ssim
from bench.metrics.vmaf import fits_vmaf, vmaf
from bench.signals import Frame, Layout, Signal

CACHE_BYTES = 256 * 2**20
"""A reference side that would be larger than this is computed again for each decoded signal."""
Stack = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Scores:
    """Means over frames; None where a metric was not asked for or does not apply.

    ``mse`` is on the 8-bit scale, of real samples as they are; an infinite PSNR means that all
    frames are identical to the source's.
    """

    mse: float | None = None
    psnr_rgb: float | None = None
    psnr_y: float | None = None
    psnr_yuv: float | None = None
    ssim: float | None = None
    ms_ssim: float | None = None
    vmaf: float | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """What to compute for a layout."""

    yuv: bool
    ssim: bool
    ms_ssim: bool
    vmaf: bool

    @property
    def similarity(self) -> bool:
        return self.ssim or self.ms_ssim


def applicable(layout: Layout, metrics: tuple[str, ...]) -> tuple[str, ...]:
    """Those of ``metrics`` that have a value on signals of this layout, mse always.

    Vectors have mse alone. 4:2:0 sources have the metrics of their planes and VMAF; mse is then
    that of all samples of the three planes. Gray has one PSNR, as psnr_rgb and as psnr_y.
    """
    known = {"mse"}
    size = (layout.height, layout.width)
    if layout.samples == "yuv420":
        known |= {"psnr_y", "psnr_yuv"}
    elif layout.samples != "real":
        known |= {"psnr_rgb", "psnr_y"}
        known |= {"psnr_yuv"} if layout.samples == "rgb" else set()
        known |= {"ssim"} if ssim.fits_ssim(*size) else set()
        known |= {"ms_ssim"} if ssim.fits_ms_ssim(*size) else set()
    known |= {"vmaf"} if fits_vmaf(layout) else set()
    return tuple(dict.fromkeys(("mse", *(name for name in metrics if name in known))))


class Evaluator:
    """Scores decoded signals against one reference; for one thread.

    The reference's frames and what SSIM needs of them are kept between calls if that takes less
    than 256 MB, else both sides are streamed. ``ffmpeg`` is the binary for VMAF; by default the
    one that ``bench.codecs`` runs.
    """

    def __init__(
        self, reference: Signal, metrics: tuple[str, ...], *, ffmpeg: str | None = None
    ) -> None:
        self._reference = reference
        self._layout = layout = reference.layout
        self._ffmpeg = ffmpeg
        self._metrics = names = applicable(layout, metrics)
        self._plan = _Plan(
            yuv=layout.channels == 3 and ("psnr_y" in names or "psnr_yuv" in names),
            ssim="ssim" in names,
            ms_ssim="ms_ssim" in names,
            vmaf="vmaf" in names,
        )
        samples = layout.frame_bytes // np.dtype(layout.frame_dtype).itemsize
        self._stack = max(1, ssim.STACK_SAMPLES // max(1, samples))
        similarity_bytes = samples * layout.frames * ssim.BYTES_PER_SAMPLE * 4 // 3
        kept = layout.frame_bytes * layout.frames + self._plan.similarity * similarity_bytes
        self._cache: list[_Reference] | None = None
        if kept <= CACHE_BYTES:
            self._cache = list(self._references(keep=True))

    def _references(self, *, keep: bool) -> Iterator[_Reference]:
        for frames in _stacks(self._reference.frames(), self._stack):
            yield _Reference(frames, self._layout, self._plan, keep=keep)

    def score(self, decoded: Signal) -> Scores:
        """The metrics of ``decoded``. Raises CodecError, before any metric, if its layout differs
        from the reference's, and if it yields another number of frames than it says."""
        check_layout(self._layout, decoded.layout)
        parts: list[_Frames] = []
        frames = _counted(decoded)
        references = self._references(keep=False) if self._cache is None else iter(self._cache)
        for reference in references:
            parts.append(reference.compare(_stack(list(islice(frames, reference.count)))))
        for _ in frames:  # a frame too many raises in the iterator
            pass
        scores = _mean_scores(parts, self._metrics)
        if not self._plan.vmaf:
            return scores
        score = vmaf(self._reference, decoded.frames(), self._ffmpeg or find_ffmpeg())
        return Scores(**{**_as_fields(scores), "vmaf": score})


def check_layout(reference: Layout, decoded: Layout) -> None:
    """Raises CodecError that names the first difference: frame count, size, samples."""
    if decoded.frames != reference.frames:
        raise CodecError(f"decoded {decoded.frames} frames of {reference.frames}")
    if (decoded.width, decoded.height) != (reference.width, reference.height):
        raise CodecError(
            f"decoded {decoded.width}×{decoded.height} pixels instead of "
            f"{reference.width}×{reference.height}"
        )
    if decoded.samples != reference.samples:
        raise CodecError(f"decoded {decoded.samples} samples instead of {reference.samples}")


def _counted(decoded: Signal) -> Iterator[Frame]:
    """The frames, each checked against the layout; their number against the layout's."""
    layout, count = decoded.layout, 0
    for frame in decoded.frames():
        count += 1
        if count > layout.frames:
            raise CodecError(f"decoded more than the {layout.frames} frames of the source")
        if frame.shape != layout.frame_shape or frame.dtype != layout.frame_dtype:
            raise CodecError(
                f"decoded frame {count} is {frame.dtype} {frame.shape}, "
                f"not {np.dtype(layout.frame_dtype)} {layout.frame_shape}"
            )
        yield frame
    if count != layout.frames:
        raise CodecError(f"decoded {count} frames of {layout.frames}")


@dataclass(frozen=True, slots=True)
class _Frames:
    """Per-frame values of one stack, each ``(frames,)``."""

    mse: error.Values
    yuv: tuple[error.Values, ...] | None
    ssim: error.Values | None
    ms_ssim: error.Values | None


class _Reference:
    """A stack of reference frames ``(T, …)`` with what can be computed of it in advance."""

    def __init__(self, frames: Stack, layout: Layout, plan: _Plan, *, keep: bool) -> None:
        self.count = len(frames)
        self._frames = frames
        self._layout = layout
        self._plan = plan
        self._similarity: ssim.SsimReference | None = None
        if plan.similarity:
            self._similarity = ssim.SsimReference(frames, multi_scale=plan.ms_ssim, keep=keep)

    def compare(self, decoded: Stack) -> _Frames:
        yuv = None
        if self._plan.yuv and self._layout.samples == "rgb":
            yuv = error.rgb_yuv_mse(self._frames, decoded)
        elif self._plan.yuv:
            yuv = error.plane_mse(self._frames, decoded, self._layout)
        mse = error.frame_mse(self._frames, decoded)
        if self._similarity is None:
            return _Frames(mse, yuv, None, None)
        ones = np.ones(len(mse))
        found = ssim.Similarity(ones, ones if self._plan.ms_ssim else None)
        if mse.any():
            found = self._similarity.compare(decoded)
        found = found.exact_where(mse == 0)
        return _Frames(mse, yuv, found.ssim, found.ms_ssim)


def _stack(frames: list[Frame]) -> Stack:
    return frames[0][np.newaxis] if len(frames) == 1 else np.stack(frames)


def _stacks(frames: Iterator[Frame], count: int) -> Iterator[Stack]:
    for first in frames:
        yield _stack([first, *islice(frames, count - 1)])


def _mean_scores(parts: list[_Frames], metrics: tuple[str, ...]) -> Scores:
    mse = np.concatenate([part.mse for part in parts])
    found: dict[str, float] = {"mse": float(mse.mean())}
    yuv = [part.yuv for part in parts if part.yuv is not None]
    if yuv:
        y, u, v = (error.psnr(np.concatenate(plane)) for plane in zip(*yuv, strict=True))
        found["psnr_y"] = error.mean_psnr(y)
        found["psnr_yuv"] = error.mean_psnr(error.weighted_yuv(y, u, v))
    if {"psnr_rgb", "psnr_y"} & set(metrics):
        found["psnr_rgb"] = error.mean_psnr(error.psnr(mse))
        found.setdefault("psnr_y", found["psnr_rgb"])
    for name in ("ssim", "ms_ssim"):
        values = [getattr(part, name) for part in parts if getattr(part, name) is not None]
        if values:
            found[name] = float(np.concatenate(values).mean())
    return Scores(**{name: value for name, value in found.items() if name in metrics})


def _as_fields(scores: Scores) -> dict[str, float | None]:
    return {field.name: getattr(scores, field.name) for field in fields(scores)}
