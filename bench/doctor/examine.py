"""Runs one codec on the patterns and collects the mistakes that its output shows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from bench.cards import CodecCard
from bench.codecs.base import Codec, Encoded, refusal_of
from bench.codecs.build import build_codec
from bench.doctor.patterns import (
    HEIGHT,
    WIDTH,
    Pixels,
    chroma_stripes,
    colour_field,
    colour_patches,
    numbered_clip,
    patch_means,
)
from bench.doctor.signatures import (
    Fault,
    chroma_contrast,
    colour_fault,
    container_fault,
    frame_fault,
    mean_bias,
    output_fault,
    size_fault,
    subsampling_fault,
    truncation_fault,
)
from bench.errors import BenchError, Unavailable
from bench.records import Point
from bench.signals import Frame, Layout, Signal, clip, image

_ODD = (67, 101)
_SUBSAMPLED = ("420", "4:2:0", "422", "4:2:2", "subsampl")


@dataclass(frozen=True, slots=True)
class Examination:
    """A codec, the point it was examined at, and what was found."""

    codec: str
    point: str
    faults: tuple[Fault, ...] = ()
    skipped: str | None = None
    """Why the codec could not be examined here, with the cure."""

    @property
    def passed(self) -> bool:
        return not self.faults and self.skipped is None


class _Subject:
    """A codec at its best point; a second instance decodes, so that no state can pass."""

    def __init__(self, card: CodecCard, device: str) -> None:
        self.card = card
        self.media = "image" if "image" in card.media else card.media[0]
        self.encoder: Codec = build_codec(card, device=device)
        self.encoder.check_available()
        self.decoder: Codec = build_codec(card, device=device)
        self.point = self._best_point()

    def takes(self, layout: Layout) -> bool:
        return layout.media in self.card.media and refusal_of(self.encoder, layout) is None

    def still(self, pixels: Pixels) -> Signal:
        """A picture, as a clip of one frame for a codec of clips."""
        return image(pixels) if self.media == "image" else clip(pixels[np.newaxis])

    def _best_point(self) -> Point:
        """The end of the ladder that spends more: quality grows one way, quantisers the other."""
        ends = (self.card.ladder[0], self.card.ladder[-1])
        signal = self.still(colour_field(0))
        if ends[0] == ends[1] or not self.takes(signal.layout):
            return ends[-1]
        return max(ends, key=lambda point: len(self.encoder.encode(signal, point).payload))

    def code(self, signal: Signal) -> tuple[Encoded, list[Frame]]:
        encoded = self.encoder.encode(signal, self.point)
        return encoded, list(self.decoder.decode(encoded.payload).frames())


def examine(card: CodecCard, *, device: str = "cpu") -> Examination:
    """Every pattern that the codec takes, every signature on what comes back."""
    try:
        subject = _Subject(card, device)
    except Unavailable as error:
        return Examination(card.id, "", skipped=str(error))
    found: list[Fault] = []
    if not subject.takes(subject.still(colour_field(0)).layout):
        return Examination(card.id, str(subject.point), skipped="codes no RGB pictures or clips")
    for name, look in _LOOKS.items():
        try:
            found += look(subject)
        except BenchError as error:
            found.append(Fault("cannot code a pattern", f"{name}: {error}", "see the message"))
        except Exception as error:  # whatever a third party's codec raises is a finding
            detail = f"{name}: {type(error).__name__}: {error}"
            found.append(Fault("cannot code a pattern", detail, "run it on this size by hand"))
    unique = {fault.name: fault for fault in reversed(found)}
    return Examination(card.id, str(subject.point), tuple(reversed(unique.values())))


def _look_at_fields(subject: _Subject) -> Iterator[Fault]:
    """Rounding, output type and dispensable bytes on smooth colours."""
    biases, paths = [], []
    for seed in range(4):
        pixels = colour_field(seed)
        signal = subject.still(pixels)
        encoded, frames = subject.code(signal)
        if seed == 0 and (fault := container_fault(encoded.payload)):
            yield fault
        if fault := output_fault(frames[0]):
            yield fault
            return
        if frames[0].shape != pixels.shape:
            return
        biases.append(mean_bias(pixels, frames[0]))
        path = subject.encoder.colour_path(signal)
        if path is not None:
            paths.append(mean_bias(pixels, next(iter(path.frames()))))
    for found in (paths, biases):
        if found and (fault := truncation_fault(found)):
            yield fault
            return


def _look_at_patches(subject: _Subject) -> Iterator[Fault]:
    pixels, colours = colour_patches()
    _, frames = subject.code(subject.still(pixels))
    if frames[0].shape == pixels.shape and (fault := colour_fault(colours, patch_means(frames[0]))):
        yield fault


def _look_at_stripes(subject: _Subject) -> Iterator[Fault]:
    words = f"{subject.card.title} {dict(subject.card.settings)}".lower()
    if any(mark in words for mark in _SUBSAMPLED):
        return
    for upright, direction in ((True, "upright"), (False, "level")):
        kept = []
        for period in (1, 4):
            pixels = chroma_stripes(period, upright=upright)
            _, frames = subject.code(subject.still(pixels))
            if frames[0].shape != pixels.shape:
                return
            kept.append(chroma_contrast(frames[0]) / chroma_contrast(pixels))
        if fault := subsampling_fault(kept[0], kept[1], direction):
            yield fault
            return


def _look_at_sizes(subject: _Subject) -> Iterator[Fault]:
    pixels = colour_field(5, *_ODD)
    signal = subject.still(pixels)
    if not subject.takes(signal.layout):
        return
    _, frames = subject.code(signal)
    if fault := size_fault(pixels.shape[:2], frames[0].shape[:2]):
        yield fault


def _look_at_motion(subject: _Subject) -> Iterator[Fault]:
    frames = numbered_clip()
    signal = clip(frames)
    if not subject.takes(signal.layout):
        return
    _, decoded = subject.code(signal)
    if all(frame.shape == frames.shape[1:] for frame in decoded):
        fault = frame_fault(frames, np.stack(decoded))
        if fault:
            yield fault


_LOOKS: dict[str, Callable[[_Subject], Iterator[Fault]]] = {
    f"smooth colours {WIDTH}×{HEIGHT}": _look_at_fields,
    "colour patches 128×96": _look_at_patches,
    f"colour stripes {WIDTH}×{HEIGHT}": _look_at_stripes,
    f"odd size {_ODD[1]}×{_ODD[0]}": _look_at_sizes,
    f"six frames of {WIDTH}×{HEIGHT}": _look_at_motion,
}
