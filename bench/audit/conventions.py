"""The conventions that papers differ in, with how common each is; measures nothing.

A convention is a word and a cost: 0 is the usual way, and the larger the rarer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np

from bench.analysis.qualities import Floats
from bench.signals import Matrix


@dataclass(frozen=True, slots=True, order=True)
class Way:
    """Words that say how a number was made, the usual ones left out, and their cost together."""

    cost: int = 0
    words: tuple[str, ...] = ()

    def __add__(self, other: Way) -> Way:
        return Way(self.cost + other.cost, self.words + other.words)

    def __str__(self) -> str:
        return ", ".join(self.words)


def way(cost: int, word: str) -> Way:
    return Way(cost, (word,))


USUAL = Way()
ROUNDINGS: Mapping[str, Way] = {
    "rounded": USUAL,
    "unrounded": way(2, "reconstruction not rounded"),
    "truncated": way(3, "reconstruction truncated instead of rounded"),
    "unclipped": way(4, "reconstruction neither rounded nor clipped"),
}
DEPTHS: Mapping[str, Way] = {"decoded": USUAL, "8": way(2, "planes cut to 8 bits")}
BYTES: Mapping[str, Way] = {
    "payload": USUAL,
    "written": way(1, "bytes with all that the encoder wrote (container, SEI, signature)"),
    "bare": way(3, "bytes without headers"),
    "estimated": way(3, "estimated bits"),
    "likelihood": way(4, "likelihood of the symbols"),
    "pickle": way(5, "bytes of the stream in a pickle"),
    "npz": way(5, "bytes of the stream in an npz file"),
    "npz compressed": way(5, "bytes of the stream in a compressed npz file"),
}
LUMA: Mapping[tuple[Matrix, bool], Way] = {
    ("bt709", True): USUAL,
    ("bt601", True): way(2, "BT.601"),
    ("bt709", False): way(2, "BT.709 of limited range"),
    ("bt601", False): way(2, "BT.601 of limited range"),
}
PLANES: Mapping[str, Way] = {
    "unrounded": USUAL,
    "rounded": way(1, "planes rounded to 8 bits"),
    "truncated": way(3, "planes truncated to 8 bits"),
    "ten": way(3, "planes rounded to 10 bits"),
}
CHROMA: Mapping[str, Way] = {
    "444": USUAL,
    "420": way(2, "chroma averaged to 4:2:0"),
    "420 nearest": way(4, "chroma of every second sample"),
}
REFERENCES: Mapping[tuple[Matrix, str], Way] = {
    ("bt709", "rounded"): way(5, "against the source quantised to 8-bit Y'CbCr (BT.709)"),
    ("bt709", "truncated"): way(5, "against the source truncated to 8-bit Y'CbCr (BT.709)"),
    ("bt601", "rounded"): way(6, "against the source quantised to 8-bit Y'CbCr (BT.601)"),
}
WEIGHTS: tuple[tuple[Way, tuple[float, float, float], bool], ...] = (
    (USUAL, (6 / 8, 1 / 8, 1 / 8), False),
    (way(2, "YUV weighted 4:1:1"), (4 / 6, 1 / 6, 1 / 6), False),
    (way(2, "YUV divided by 3"), (1 / 3, 1 / 3, 1 / 3), False),
    (way(3, "YUV 6:1:1 of squared errors"), (6 / 8, 1 / 8, 1 / 8), True),
    (way(3, "YUV 4:1:1 of squared errors (all samples of 4:2:0)"), (4 / 6, 1 / 6, 1 / 6), True),
    (way(3, "YUV squared errors divided by 3"), (1 / 3, 1 / 3, 1 / 3), True),
)
"""The weight of each plane, and whether squared errors are weighted or decibels."""


CHANNELS: tuple[tuple[Way, tuple[float, float, float], bool], ...] = (
    (USUAL, (1 / 3, 1 / 3, 1 / 3), True),
    (way(2, "mean of the decibels of R, G and B"), (1 / 3, 1 / 3, 1 / 3), False),
)
"""As ``WEIGHTS``, of R, G and B."""
TURNS: Mapping[str, tuple[int, Way]] = {
    "turned": (1, way(3, "portrait pictures turned")),
    "turned clockwise": (3, way(3, "portrait pictures turned (clockwise)")),
}
"""By the name of an area how many quarters to the left portrait pictures are turned."""


def areas(width: int, height: int) -> Iterator[tuple[str, Way]]:
    """Crops to and paddings to multiples that change a size."""
    seen = set()
    for step in (64, 16, 8, 128, 256):
        down = (height // step * step, width // step * step)
        up = (-(-height // step) * step, -(-width // step) * step)
        if down != (height, width) and 0 not in down and down not in seen:
            yield f"crop {step}", way(4, f"cropped to multiples of {step} (left and top)")
            yield f"centre {step}", way(4, f"cropped to multiples of {step} (centre)")
        if up != (height, width) and up not in seen:
            yield f"pad {step}", way(4, f"padded to multiples of {step}")
        seen |= {down, up}


def in_area(errors: Floats, area: str) -> Floats:
    """The squared errors ``(H, W, …)`` that an area has."""
    kind, _, step_word = area.partition(" ")
    if not step_word:
        return errors
    step, (height, width) = int(step_word), errors.shape[:2]
    if kind == "pad":
        grow = [(0, -height % step), (0, -width % step)]
        return np.pad(errors, [*grow, *[(0, 0)] * (errors.ndim - 2)], mode="edge")
    rows, columns = height // step * step, width // step * step
    top, left = ((height - rows) // 2, (width - columns) // 2) if kind == "centre" else (0, 0)
    return errors[top : top + rows, left : left + columns]


def subsets(sizes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[Way, list[int]]]:
    """Choices of items (width, height), all of them first."""
    count, names = len(sizes), list(sizes)
    yield USUAL, list(range(count))
    for word, holds in _SHAPES.items():
        chosen = [at for at, size in enumerate(sizes.values()) if holds(*size)]
        if 0 < len(chosen) < count:
            yield way(4, f"{word} items alone"), chosen
    for first in range(1, count):
        yield way(5, f"the first {first} items alone"), list(range(first))
    for last in range(2, count):
        yield way(6, f"the last {last} items alone"), list(range(count - last, count))
    if count > 2:
        for at, name in enumerate(names):
            yield way(6, f"without {name}"), [one for one in range(count) if one != at]
    for at, name in enumerate(names[1:], 1):
        yield way(6, f"{name} alone"), [at]


_SHAPES: Mapping[str, Callable[[int, int], bool]] = {
    "landscape": lambda width, height: width > height,
    "portrait": lambda width, height: width < height,
}


def combined(*tables: Mapping[str, Way]) -> Iterator[tuple[tuple[str, ...], Way]]:
    """Every choice of one key of each table, and what is said of it."""
    for keys in product(*tables):
        found = USUAL
        for table, key in zip(tables, keys, strict=True):
            found = found + table[key]
        yield keys, found
