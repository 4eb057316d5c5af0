"""All metrics of one reference signal against any number of decoded ones.

Owns the walk over frames, the means over them and what becomes of a metric that fails; the
formulas are in the modules beside this one. The reference side is computed once, or streamed again
where a clip is large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from bench.colour import at_depth, shown
from bench.errors import BenchError, CodecError
from bench.metrics.base import (
    ALWAYS,
    Basis,
    BatchMetric,
    ClipValues,
    FrameMetric,
    JointMetric,
    Metric,
    Scores,
    SharedMetric,
    SignalMetric,
    Stack,
    Values,
    mean_over_frames,
    worst_and_percentile,
)
from bench.metrics.error import frame_mse, to_8_bits
from bench.metrics.info import MetricInfo
from bench.metrics.registry import applicable, info_of, metrics
from bench.records import FrameSummary
from bench.signals import GRAY, RGB, Frame, Layout, Signal

CACHE_BYTES = 256 * 2**20
"""A reference side that would be larger than this is computed again for each decoded signal."""
STACK_SAMPLES = 300_000
"""Small frames are best compared in stacks of about this size."""


@lru_cache(maxsize=64)
def _admitted(
    layout: Layout, names: tuple[str, ...], table: tuple[type[Metric], ...]
) -> tuple[Mapping[str, MetricInfo], Mapping[str, str]]:
    """The metrics among ``names`` that have a value on this layout, and why others of them have
    none; ``table`` are all that there are, which a plug-in may change."""
    able = applicable(layout, names)
    others = [name for name in dict.fromkeys(names) if name not in able]
    refused = {name: f"{info_of(name).refusal(layout)}" for name in others}
    return {name: info_of(name) for name in able}, refused


class Evaluator:
    """Scores decoded signals against one reference; for one thread.

    The reference's frames and what metrics prepare of them are kept between calls if that takes
    less than 256 MB, else both sides are streamed. A metric that does not apply, cannot run or
    fails leaves a remark and no value; it never spoils another.
    """

    def __init__(self, reference: Signal, names: Iterable[str], *, device: str = "cpu") -> None:
        self._reference = reference
        self._layout = layout = reference.layout
        self._info, refused = _admitted(layout, (ALWAYS, *names), tuple(metrics().values()))
        self._remarks = dict(refused)
        built = self._build(self._info, device)
        self._signals = [one for one in built if isinstance(one, SignalMetric)]
        self._joint = _together(one for one in built if isinstance(one, JointMetric))
        self._prepared: dict[str, object] = {}
        self._parts = _group(built)
        single = layout.media == "image"
        self._batched = frozenset(
            one.info.id for one in built if single and isinstance(one, BatchMetric)
        )
        samples = layout.frame_bytes // np.dtype(layout.frame_dtype).itemsize
        self._stack = max(1, STACK_SAMPLES // max(1, samples))
        held = sum(part.kept_bytes for part in self._parts) * samples
        self._cache: list[_Reference] | None = None
        if (layout.frame_bytes + held) * layout.frames <= CACHE_BYTES:
            self._cache = list(self._references(keep=True))

    def _build(self, names: Iterable[str], device: str) -> list[Metric]:
        built = []
        for name in names:
            metric = metrics()[name]
            try:
                metric.check_available()
                built.append(metric(device=device))
            except Exception as error:  # a plug-in may raise anything: it is that cell's remark
                self._remarks[name] = _reason(error)
        return built

    def _references(self, *, keep: bool) -> Iterator[_Reference]:
        for frames in _stacks(self._reference.frames(), self._stack):
            yield _Reference(frames, self._layout, self._parts, keep=keep)

    @property
    def batches(self) -> bool:
        """Whether there are metrics that take several decoded pictures at once."""
        return bool(self._batched) and self._cache is not None

    def score_batch(self, decoded: Sequence[Signal]) -> list[Scores]:
        """Of pictures that ``score`` took without its batches, those metrics alone."""
        assert self._cache is not None
        found = [Scores({}, {}) for _ in decoded]
        stacks = [_stack(list(signal.frames())) for signal in decoded]
        for name, basis in self._cache[0].alone(self._batched):
            try:
                values = basis.compare_many(stacks)
            except Exception as error:  # a plug-in may raise anything: it is that cell's remark
                values, why = [math.nan] * len(decoded), _reason(error)
            else:
                why = _NAN
            for index, value in enumerate(values):
                new = ({}, {name: why}) if math.isnan(value) else ({name: value}, {})
                found[index] = Scores(
                    {**found[index].values, **new[0]}, {**found[index].remarks, **new[1]}
                )
        return found

    def score(self, decoded: Signal, *, batches: bool = True) -> Scores:
        """The metrics of ``decoded``, without ``batches`` those that ``score_batch`` leaves.
        Raises CodecError, before any metric, if its layout differs from the reference's, and if
        it yields another number of frames than it says."""
        check_layout(self._layout, decoded.layout)
        decoded = rounded(decoded, self._layout.depth)
        remarks = dict(self._remarks)
        late = self._batched if self.batches and not batches else frozenset()
        found: list[Mapping[str, Values]] = []
        frames = _counted(decoded)
        references = self._references(keep=False) if self._cache is None else iter(self._cache)
        for reference in references:
            stack = _stack(list(islice(frames, reference.count)))
            found.append(reference.compare(stack, remarks, late))
        for _ in frames:  # a frame too many raises in the iterator
            pass
        parts = {
            name: ClipValues(_joined(found, name))
            for name in self._info
            if name not in remarks and name in found[0]
        }
        for group in self._joint:
            parts |= self._score_together(group, decoded, remarks)
        values = _means(parts, self._info, remarks)
        for metric in self._signals:
            self._score_whole(metric, decoded, values, remarks)
        exact = values[ALWAYS] == 0
        ordered = {
            name: values[name] if exact else _finite(values[name], info)
            for name, info in self._info.items()
            if name in values
        }
        of_frames = {name: parts[name].frames for name in ordered if name in parts}
        return Scores(ordered, remarks, _summary(of_frames, self._info))

    def _score_together(
        self, group: Sequence[JointMetric], decoded: Signal, remarks: dict[str, str]
    ) -> Mapping[str, ClipValues]:
        """Of one pass or, where that fails, of one for each, so that none spoils another."""
        try:
            return group[0].measure(group, self._reference, decoded)
        except Exception as error:  # a plug-in may raise anything: it is that cell's remark
            if len(group) == 1:
                remarks[group[0].info.id] = _reason(error)
                return {}
        alone = [self._score_together([metric], decoded, remarks) for metric in group]
        return {name: value for each in alone for name, value in each.items()}

    def _score_whole(
        self,
        metric: SignalMetric[object],
        decoded: Signal,
        values: dict[str, float],
        remarks: dict[str, str],
    ) -> None:
        name = metric.info.id
        try:
            is_shown = metric.info.is_shown(self._layout)
            view = partial(_shown_signal, layout=self._layout) if is_shown else _same
            if name not in self._prepared:
                self._prepared[name] = metric.prepare(view(self._reference))
            value = float(metric.score(self._prepared[name], view(decoded)))
        except Exception as error:  # a plug-in may raise anything: it is that cell's remark
            remarks[name] = _reason(error)
            return
        if math.isnan(value):
            remarks[name] = _NAN
        else:
            values[name] = value


_NAN = "its value is not a number"


def _reason(error: Exception) -> str:
    kind = "" if isinstance(error, BenchError) else f"{type(error).__name__}: "
    return " ".join(f"{kind}{error}".split())[:300]


def _same(value: Any) -> Any:
    return value


def _shown_signal(signal: Signal, layout: Layout) -> Signal:
    """In 8-bit RGB or gray; ``layout`` has range and matrix, which decoders do not say."""
    kind = GRAY if layout.samples == "gray" else RGB
    return replace(
        signal,
        layout=replace(signal.layout, format=kind),
        open=lambda: (shown(frame, layout) for frame in signal.frames()),
    )


def rounded(decoded: Signal, depth: int) -> Signal:
    """A decoded signal of more bits rounded once to so many; any other as it is."""
    return _at_depth(decoded, depth) if decoded.layout.depth > depth else decoded


def deepened(source: Signal, depth: int) -> Signal:
    """YUV of fewer bits shifted to so many; any other signal as it is."""
    layout = source.layout
    return _at_depth(source, depth) if layout.is_yuv and layout.depth < depth else source


def _at_depth(signal: Signal, depth: int) -> Signal:
    layout = signal.layout
    convert = partial(at_depth, depth=layout.depth, wanted=depth, full_range=not layout.is_yuv)
    return replace(
        signal,
        layout=replace(layout, format=replace(layout.format, depth=depth)),
        open=lambda: map(convert, signal.frames()),
    )


def colour_ceiling(original: Signal, converted: Signal | None) -> float | None:
    """PSNR over RGB of a colour conversion without coding; None where there is none."""
    if converted is None:
        return None
    return Evaluator(original, ("psnr_rgb",)).score(converted).get("psnr_rgb")


def check_layout(reference: Layout, decoded: Layout) -> None:
    """Raises CodecError that names the first difference: frame count, size, samples."""
    if decoded.frames != reference.frames:
        raise CodecError(f"decoded {decoded.frames} frames of {reference.frames}")
    if (decoded.width, decoded.height) != (reference.width, reference.height):
        raise CodecError(
            f"decoded {decoded.width}×{decoded.height} pixels instead of "
            f"{reference.width}×{reference.height}"
        )
    if decoded.samples != reference.samples or decoded.depth < reference.depth:
        raise CodecError(f"decoded {decoded.format.name} instead of {reference.format.name}")


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


class _Part(NamedTuple):
    """Metrics that are computed together: those of one basis, or a frame metric alone."""

    wanted: frozenset[str]
    kept_bytes: float
    """Per sample of the reference, besides the samples."""
    prepare: Callable[..., Basis]
    """Of reference frames, their layout, and whether to ``keep`` what is prepared."""


def _together(built: Iterable[JointMetric]) -> list[list[JointMetric]]:
    """Those that one pass computes."""
    groups: dict[object, list[JointMetric]] = {}
    for metric in built:
        groups.setdefault(type(metric).measure, []).append(metric)
    return list(groups.values())


def _group(built: Iterable[Metric]) -> tuple[_Part, ...]:
    shared: dict[type[Basis], set[str]] = {}
    alone = []
    for metric in built:
        name = metric.info.id
        if isinstance(metric, SharedMetric):
            shared.setdefault(metric.basis(), set()).add(name)
        elif isinstance(metric, FrameMetric):
            kept = float(metric.prepared_bytes)
            alone.append(_Part(frozenset({name}), kept, partial(_Alone, metric)))
    together = [(basis, frozenset(names)) for basis, names in shared.items()]
    parts = (_Part(n, basis.kept_bytes(n), partial(basis, wanted=n)) for basis, n in together)
    return (*parts, *alone)


class _Alone(Basis):
    """A frame metric's reference side, prepared on first use."""

    def __init__(
        self, metric: FrameMetric[object], frames: Stack, layout: Layout, *, keep: bool
    ) -> None:
        self._metric, self._frames, self._keep = metric, frames, keep
        view = partial(shown, layout=layout) if metric.info.is_shown(layout) else _same
        self._view: Callable[[Iterable[Frame]], Iterable[Frame]] = partial(map, view)
        self._prepared: list[object] | None = None

    def compare(self, decoded: Stack, mse: Values) -> Mapping[str, Values]:
        pairs = zip(self._references(), self._view(decoded), strict=True)
        values = [self._metric.score(one, other) for one, other in pairs]
        return {self._metric.info.id: np.array(values, np.float64)}

    def compare_many(self, decoded: Sequence[Stack]) -> list[float]:
        """The value of each of several pictures; every stack is one frame."""
        assert isinstance(self._metric, BatchMetric)
        (prepared,) = self._references()
        frames = list(self._view(stack[0] for stack in decoded))
        return list(self._metric.score_many(prepared, frames))

    def _references(self) -> Iterable[object]:
        if self._prepared is not None:
            return self._prepared
        if not self._keep:
            return map(self._metric.prepare, self._view(self._frames))
        self._prepared = list(map(self._metric.prepare, self._view(self._frames)))
        return self._prepared


class _Reference:
    """A stack of reference frames ``(T, …)`` with what can be computed of it in advance."""

    def __init__(
        self, frames: Stack, layout: Layout, parts: tuple[_Part, ...], *, keep: bool
    ) -> None:
        self.count = len(frames)
        self._frames, self._scale = frames, to_8_bits(layout)
        self._bases = [(part.wanted, part.prepare(frames, layout, keep=keep)) for part in parts]

    def alone(self, names: Collection[str]) -> Iterator[tuple[str, _Alone]]:
        """The single metrics of these ids."""
        for wanted, basis in self._bases:
            if isinstance(basis, _Alone) and wanted <= set(names):
                yield min(wanted), basis

    def compare(
        self, decoded: Stack, remarks: dict[str, str], late: Collection[str] = ()
    ) -> Mapping[str, Values]:
        """Values of each frame but of ``late`` metrics; one that fails gets a remark, and no value
        from then on."""
        mse = self._scale * frame_mse(self._frames, decoded)
        values: dict[str, Values] = {}
        for wanted, basis in self._bases:
            if wanted <= remarks.keys() or (late and wanted <= set(late)):
                continue
            try:
                values.update(basis.compare(decoded, mse))
            except Exception as error:  # a plug-in may raise anything: it is that cell's remark
                remarks.update(dict.fromkeys(wanted, _reason(error)))
        values[ALWAYS] = mse
        return values


def _stack(frames: list[Frame]) -> Stack:
    return frames[0][np.newaxis] if len(frames) == 1 else np.stack(frames)


def _stacks(frames: Iterator[Frame], count: int) -> Iterator[Stack]:
    for first in frames:
        yield _stack([first, *islice(frames, count - 1)])


def _finite(value: float, info: MetricInfo) -> float:
    """What a metric that does not see all samples, such as luma's, says where they differ: infinity
    in a record says that they do not."""
    return min(value, info.cap) if value == math.inf else value


def _joined(parts: list[Mapping[str, Values]], name: str) -> Values:
    """One value a frame, of stacks of frames."""
    if len(parts) == 1:
        return parts[0][name]
    return np.concatenate([part[name] for part in parts])


def _means(
    parts: Mapping[str, ClipValues], info: Mapping[str, MetricInfo], remarks: dict[str, str]
) -> dict[str, float]:
    """Over frames, but of a metric that says what its whole is."""
    found = {}
    for name, part in parts.items():
        whole = mean_over_frames(part.frames, info[name]) if part.whole is None else part.whole
        if math.isnan(whole):
            remarks[name] = _NAN
        else:
            found[name] = whole
    return found


def _summary(frames: Mapping[str, Values], info: Mapping[str, MetricInfo]) -> FrameSummary | None:
    """Of clips of more than one frame."""
    mse = frames[ALWAYS]
    if len(mse) == 1:
        return None
    scores: dict[str, float] = {}
    for name, values in frames.items():
        found = worst_and_percentile(values, info[name])
        if mse.any():
            found = (_finite(found[0], info[name]), _finite(found[1], info[name]))
        scores |= zip(info[name].frame_columns, found, strict=True)
    worst = int(mse.argmax()) if mse.any() else None
    return FrameSummary(
        int((mse == 0).sum()),
        worst,
        scores,
        {name: values.tolist() for name, values in frames.items()},
    )
