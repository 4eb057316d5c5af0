"""What metrics give here beside their reference implementations.

Writes Markdown; measures 24 Kodak pictures at three qualities of JPEG, and judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from bench.cards import load_registry
from bench.codecs.build import build_codec
from bench.datasets.base import DataOptions, build_loader
from bench.errors import Unavailable
from bench.machine import describe_machine
from bench.metrics.evaluate import Evaluator
from bench.metrics.registry import BUILT_IN, info_of, metrics
from bench.records import Point
from bench.signals import Signal
from tests.speed.metric_references import REFERENCES, THEMSELVES, Picture, Reference

QUALITIES = (10, 50, 90)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One metric beside one reference: the largest and the mean difference, and seconds of one
    picture with its reference side, of a further point of it, and of the reference."""

    pictures: int
    largest: float
    mean: float
    seconds: float
    further_seconds: float
    reference_seconds: float


Pair = tuple[Signal, Signal]


def metrics_report(data: Path | None, limit: int | None = None) -> str:
    """The page of all built-in metrics: what they are for, and how they agree. Raises DataError
    where the Kodak pictures are missing."""
    pairs = list(_pairs(data, limit))
    machine = describe_machine()
    lines = [
        "# Metrics beside their reference implementations", "",
        "Made by `make agreement`: "
        f"{len(pairs) // len(QUALITIES)} Kodak pictures as JPEG of quality "
        f"{', '.join(map(str, QUALITIES))}. Differences are in the metric's own unit. Seconds are "
        "medians on one thread: of a picture with its reference side, of a further point of the "
        f"same picture, of the reference implementation. {machine['processor']}.", "",
        "| metric | beside | largest difference | mean | picture, s | further point, s "
        "| reference, s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]  # fmt: skip
    lines += [_row(name, pairs, reference) for name, reference in _compared()]
    lines += ["", "## What each was made to predict, and what not to conclude", ""]
    ours = {path.partition(":")[0] for path in BUILT_IN}
    for name, one in metrics().items():
        if one.__module__ in ours:
            lines.append(f"- **{one.info.title}** (`{name}`): {one.info.purpose}")
    return "\n".join(lines) + "\n"


def _compared() -> Iterator[tuple[str, Reference | None]]:
    for name in dict.fromkeys((*(one.metric for one in REFERENCES), *THEMSELVES)):
        found: list[Reference | None] = [one for one in REFERENCES if one.metric == name]
        yield from ((name, one) for one in found or [None])


def _pairs(data: Path | None, limit: int | None) -> Iterator[Pair]:
    registry = load_registry()
    card = registry.dataset("kodak")
    loader = build_loader(card, dict(card.settings), DataOptions(data, limit=limit))
    codec = build_codec(registry.codec("jpeg"))
    for item in loader.items():
        signal = loader.load(item)
        for quality in QUALITIES:
            payload = codec.encode(signal, Point("quality", quality)).payload
            yield signal, codec.decode(payload)


def _row(name: str, pairs: Sequence[Pair], reference: Reference | None) -> str:
    head = f"| {info_of(name).title} "
    try:
        metrics()[name].check_available()
        beside = THEMSELVES[name] if reference is None else reference.ready()
    except Unavailable as error:
        return f"{head}| not compared here: {error} | – | – | – | – | – |"
    found = compare(name, pairs, reference)
    numbers = (found.seconds, found.further_seconds)
    own = " | ".join(f"{seconds:.3f}" for seconds in numbers)
    if reference is None:
        return f"{head}| {beside} | – | – | {own} | – |"
    differences = f"{found.largest:.2g} | {found.mean:.2g}"
    return f"{head}| {beside} | {differences} | {own} | {found.reference_seconds:.3f} |"


def compare(name: str, pairs: Sequence[Pair], reference: Reference | None) -> Agreement:
    """A metric and a reference on pairs of original and decoded picture."""
    differences, times = [], []
    for original, decoded in pairs:
        start = perf_counter()
        evaluator = Evaluator(original, (name,))
        value = evaluator.score(decoded).values[name]
        prepared = perf_counter()
        evaluator.score(decoded)
        further = perf_counter()
        if reference is not None:
            expected = reference.compute(_picture(original), _picture(decoded))
            differences.append(abs(value - expected))
        done = perf_counter()
        times.append((prepared - start, further - prepared, done - further))
    medians = [median(column) for column in zip(*times, strict=True)]
    largest, mean = (max(differences), float(np.mean(differences))) if differences else (0.0, 0.0)
    return Agreement(len(pairs), largest, mean, *medians)


def _picture(signal: Signal) -> Picture:
    (frame,) = signal.frames()
    return frame
