"""Measures one record under many conventions, in a worker: from its stream and its original.

Keeps what conventions are combined from (squared errors, sizes); combines and judges nothing.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from bench import colour
from bench.analysis.qualities import Floats
from bench.audit.conventions import (
    CHROMA,
    DEPTHS,
    LUMA,
    PLANES,
    REFERENCES,
    ROUNDINGS,
    TURNS,
    USUAL,
    Way,
    areas,
    combined,
    in_area,
    way,
)
from bench.codecs.base import Codec, Encoded
from bench.codecs.support.plane_codec import PlaneCodec
from bench.codecs.support.planes import PlaneFormat
from bench.engine.added_metrics import encode_again
from bench.engine.work import WorkSpec
from bench.engine.worker_cache import WorkerCache
from bench.metrics.evaluate import rounded
from bench.metrics.registry import applicable
from bench.metrics.ssim import SsimReference
from bench.processes import isolation
from bench.records import Task
from bench.signals import Frame, Layout, Matrix, Signal, image, split_planes

ERRORS = ("psnr_rgb", "psnr_y", "psnr_u", "psnr_v", "psnr_yuv")
"""Metrics of squared errors, of which every convention of averaging is tried."""
SIMILARITIES = ("ssim", "ms_ssim")
PLAIN = ""
Values = dict[tuple[str, Way], Floats]
"""By area of the picture and way the values of frames: of ``ERRORS`` squared errors (planes,
frames), of all else the metric (1, frames or 1)."""


@dataclass(slots=True)
class Audited:
    """One record: bits by what is counted, in the plain picture and a turned one, and values by
    metric. ``coded_again``: its stream was not kept and came out the same."""

    bits: dict[tuple[str, str], float] = field(default_factory=dict)
    values: dict[str, Values] = field(default_factory=dict)
    coded_again: bool = False


_cache: WorkerCache | None = None


def start(spec: WorkSpec) -> None:
    """Called once in each worker process."""
    global _cache
    isolation.guard_code()
    _cache = WorkerCache(spec, 2)


def audit_record(task: Task, wanted: frozenset[str], turned: bool) -> Audited:
    """``turned``: also codes a portrait picture turned to landscape, if the codec can run here."""
    assert _cache is not None and task.stored is not None
    codec = _cache.codec_of(task)
    signal, _ = _cache.reference(task.item, (), codec.compared_depth())
    found, payload = Audited(), task.stored.kept_stream()
    if payload is None:
        payload = encode_again(codec, task.point, task.stored, signal).payload
        found.coded_again = True
    decoded = rounded(codec.decode(payload), signal.layout.depth)
    _count(found, PLAIN, Encoded(payload))
    planes = None
    if isinstance(codec, PlaneCodec) and signal.layout.samples == "rgb":
        planes = codec.decode_planes(payload)
    _measure(found, signal, decoded, planes, wanted)
    layout = signal.layout
    if turned and layout.media == "image" and layout.samples == "rgb":
        _turn(found, codec, task, signal, wanted)
    return found


def _count(found: Audited, area: str, encoded: Encoded) -> None:
    payload = encoded.payload
    sizes = {"payload": len(payload), "pickle": len(pickle.dumps(payload))}
    for name, save in (("npz", np.savez), ("npz compressed", np.savez_compressed)):
        file = io.BytesIO()
        save(file, np.frombuffer(payload, np.uint8))
        sizes[name] = len(file.getvalue())
    found.bits |= {(area, what): 8.0 * size for what, size in sizes.items()}


def _turn(found: Audited, codec: Codec, task: Task, signal: Signal, wanted: frozenset[str]) -> None:
    """The measurement of a portrait picture that was turned before coding; of another its own."""
    (frame,) = signal.frames()
    for area, (quarters, _) in TURNS.items():
        if signal.layout.height <= signal.layout.width:
            found.bits |= {(area, w): bits for (a, w), bits in found.bits.items() if a == PLAIN}
            extra = {m: dict(values) for m, values in found.values.items()}
        else:
            codec.check_available()
            source = image(np.ascontiguousarray(np.rot90(frame, quarters)))
            encoded = codec.encode(source, task.point)
            decoded = rounded(codec.decode(encoded.payload), signal.layout.depth)
            _count(found, area, encoded)
            other = Audited()
            _measure(other, source, decoded, None, wanted)
            extra = other.values
        for metric, values in extra.items():
            turned = {(area, w): v for (a, w), v in values.items() if a == PLAIN}
            found.values[metric] = found.values.get(metric, {}) | turned


def _measure(
    found: Audited,
    signal: Signal,
    decoded: Signal,
    planes: tuple[Signal, PlaneFormat] | None,
    wanted: frozenset[str],
) -> None:
    frames: dict[str, dict[tuple[str, Way], list[Floats]]] = {}
    written = planes[0].frames() if planes else iter(())
    for one, other in zip(signal.frames(), decoded.frames(), strict=True):
        raw = next(written, None)
        for metric, key, errors in _errors(signal, one, other, raw, planes, wanted):
            frames.setdefault(metric, {}).setdefault(key, []).append(errors)
    for metric, table in frames.items():
        found.values[metric] = {key: np.stack(each, axis=1) for key, each in table.items()}


def _errors(
    signal: Signal,
    one: Frame,
    other: Frame,
    raw: Frame | None,
    planes: tuple[Signal, PlaneFormat] | None,
    wanted: frozenset[str],
) -> Iterator[tuple[str, tuple[str, Way], Floats]]:
    """Squared errors of a frame: the metric, the area and way, one value a plane."""
    layout = signal.layout
    if layout.is_yuv:
        yield from _errors_of_yuv(signal, one, other, wanted)
        return
    if layout.samples != "rgb" or layout.depth != 8:
        return
    boxes = [PLAIN, *(area for area, _ in areas(layout.width, layout.height))]
    reconstructions = list(_reconstructions(other, raw, planes, one.shape))
    yield from _similarities(layout, one, reconstructions, wanted)
    if "psnr_rgb" in wanted:
        references = _quantised(one.tobytes(), one.shape)
        for rounding, made, pixels in reconstructions:
            errors = (one - pixels) ** 2
            for area in boxes:
                yield "psnr_rgb", (area, made), in_area(errors, area).mean(axis=(0, 1))
            for said, source in references:
                errors = (_rounded(source, rounding) - pixels) ** 2
                yield "psnr_rgb", (PLAIN, made + said), errors.mean(axis=(0, 1))
    if wanted & set(ERRORS[1:]):
        for key, table in _luma_errors(one, other, boxes):
            for metric, value in table.items():
                if metric in wanted:
                    yield metric, key, value


def _reconstructions(
    other: Frame,
    raw: Frame | None,
    planes: tuple[Signal, PlaneFormat] | None,
    shape: tuple[int, ...],
) -> Iterator[tuple[str, Way, Floats]]:
    """The decoded pixels by rounding, with what is said of it; from planes where there are any."""
    yield "rounded", USUAL, other.astype(np.float64)
    if raw is None or planes is None or planes[1].chroma == "400":
        return
    for (depth, rounding), said in combined(DEPTHS, ROUNDINGS):
        if not said.cost or (depth == "8" and planes[1].depth == 8):
            continue
        yuv = _full_planes(raw, planes, shape, cut=depth == "8")
        yield rounding, said, _rounded(colour.to_rgb(yuv, "bt709"), rounding)


def _full_planes(
    raw: Frame, planes: tuple[Signal, PlaneFormat], shape: tuple[int, ...], *, cut: bool
) -> Floats:
    """Y', Cb, Cr at full size on the 8-bit scale."""
    layout, coded = planes[0].layout, planes[1]
    full = [
        colour.full_chroma(plane, coded.chroma if index else "444", *layout.frame_shape[:2])
        if index and coded.chroma != "444" else plane.astype(np.float64)
        for index, plane in enumerate(split_planes(raw, layout))
    ]  # fmt: skip
    scaled = [
        colour.on_8_bits(plane, coded.depth, not coded.shifted, is_chroma=index > 0)
        for index, plane in enumerate(full)
    ]
    yuv = np.stack(scaled, axis=2)[: shape[0], : shape[1]].astype(np.float64)
    yuv = np.rint(yuv) if cut else yuv
    return yuv + np.array([0, 0.5, 0.5]) if coded.truncated else yuv


_WHOLE: Mapping[str, Callable[[Floats], Floats]] = {"rounded": np.rint, "truncated": np.floor}


def _rounded(pixels: Floats, rounding: str) -> Floats:
    if rounding == "unclipped":
        return pixels
    return np.clip(_WHOLE[rounding](pixels) if rounding in _WHOLE else pixels, 0, 255)


@lru_cache(maxsize=2)
def _quantised(samples: bytes, shape: tuple[int, ...]) -> list[tuple[Way, Floats]]:
    """The source after 8-bit Y'CbCr, not rounded in RGB, in each way; the points of a picture
    share it."""
    source, found = np.frombuffer(samples, np.uint8).reshape(shape), []
    for (matrix, cut), said in REFERENCES.items():
        if cut == "truncated":
            yuv = colour.rgb_to_yuv_truncated(source) + np.array([0, 0.5, 0.5])
        else:
            yuv = np.clip(np.rint(colour.to_yuv(source, matrix, full_range=True)), 0, 255)
        found.append((said, colour.to_rgb(yuv, matrix)))
    return found


def _luma_errors(
    one: Frame, other: Frame, boxes: Sequence[str]
) -> Iterator[tuple[tuple[str, Way], dict[str, Floats]]]:
    """Of RGB: errors of Y', Cb and Cr by matrix, range, rounding and chroma format."""
    for (matrix, full), said in LUMA.items():
        pair = [colour.to_yuv(frame, matrix, full_range=full) for frame in (one, other)]
        for (chroma, rounding), more in combined(CHROMA, PLANES):
            source, found = ([_cut(p, rounding) for p in _halved(yuv, chroma)] for yuv in pair)
            errors = [(a - b) ** 2 for a, b in zip(source, found, strict=True)]
            for area in boxes if chroma == "444" else (PLAIN,):
                y, u, v = (np.array([in_area(error, area).mean()]) for error in errors)
                table = {"psnr_u": u, "psnr_v": v, "psnr_yuv": np.concatenate([y, u, v])}
                yield (area, said + more), table
                if chroma == "444":
                    yield (area, said + more), {"psnr_y": y}


def _halved(yuv: Floats, chroma: str) -> list[Floats]:
    y, u, v = (yuv[..., index] for index in range(3))
    if chroma == "420":
        return [y, *(colour.halve_chroma(plane).astype(np.float64) for plane in (u, v))]
    return [y, u[::2, ::2], v[::2, ::2]] if chroma == "420 nearest" else [y, u, v]


def _cut(plane: Floats, rounding: str) -> Floats:
    if rounding == "ten":
        return np.asarray(np.rint(plane * 4) / 4)
    return _WHOLE[rounding](plane) if rounding in _WHOLE else plane


def _errors_of_yuv(
    signal: Signal, one: Frame, other: Frame, wanted: frozenset[str]
) -> Iterator[tuple[str, tuple[str, Way], Floats]]:
    """Of YUV sources, on the scale of 8 bits, and as 8-bit samples shifted to 10 bits read."""
    layout = signal.layout
    pairs = zip(split_planes(one, layout), split_planes(other, layout), strict=True)
    scale = (255 / layout.format.peak) ** 2
    errors = np.array([np.mean((a.astype(np.float64) - b) ** 2) for a, b in pairs]) * scale
    shifted = way(3, "8-bit samples shifted to 10 bits, peak 1023")
    straight = way(3, "peak 255 times a power of two")
    exact = (layout.format.peak / (255 << (layout.depth - 8))) ** 2
    factors = {USUAL: 1.0, **({shifted: (1020 / 1023) ** 2} if layout.depth == 8 else {})}
    factors |= {straight: exact} if layout.depth > 8 else {}
    places = {"psnr_y": [0], "psnr_u": [1], "psnr_v": [2], "psnr_yuv": [0, 1, 2]}
    for said, factor in factors.items():
        for metric, chosen in places.items():
            if metric in wanted:
                yield metric, (PLAIN, said), errors[chosen] * factor


_OF_LUMA: Mapping[Matrix, str] = {"bt709": "of luma (BT.709)", "bt601": "of luma (BT.601)"}


def _similarities(
    layout: Layout,
    one: Frame,
    made: Iterable[tuple[str, Way, Floats]],
    wanted: frozenset[str],
) -> Iterator[tuple[str, tuple[str, Way], Floats]]:
    """Of RGB, against the original and the quantised source; of rounded RGB's luma."""
    asked = wanted & set(SIMILARITIES)
    names = [name for name in applicable(layout, sorted(asked)) if name in asked]
    for rounding, said, pixels in made if names else ():
        sources = [(USUAL, one), *_quantised(one.tobytes(), one.shape)]
        pairs = [(said + more, _rounded(each, rounding), pixels) for more, each in sources]
        if said == USUAL:
            for matrix, word in _OF_LUMA.items():
                both = (
                    np.rint(colour.to_yuv(frame, matrix, full_range=True)[..., 0])
                    for frame in (one, pixels)
                )
                pairs.append((way(3, word), *both))
        for more, source, found in pairs:
            first, second = (np.asarray(f, np.float32)[np.newaxis] for f in (source, found))
            scores = SsimReference(first, multi_scale="ms_ssim" in names).compare(second)
            for name in names:
                value = scores.ssim if name == "ssim" else scores.ms_ssim
                yield name, (PLAIN, more), np.asarray(value)
