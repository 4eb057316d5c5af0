"""Synthetic vector sources of zero mean and unit variance, drawn from fixed seeds.

Training and test samples come from different seeds; nothing is stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bench.datasets.base import DataOptions, Item, whole_setting
from bench.errors import CardError, near_matches
from bench.signals import REAL, Layout, Signal, vectors

if TYPE_CHECKING:
    from bench.cards import DatasetCard

TRAINING_SEED = 20_001
TEST_SEED = 5_001
SOURCES = ("gaussian", "laplace", "uniform", "gauss-markov")


def draw(
    source: str, count: int, length: int, *, seed: int, correlation: float = 0.0
) -> NDArray[np.float64]:
    """``count`` vectors of ``length`` samples, float64 ``(count, length)``.

    ``correlation`` is that of neighbours in a vector of the stationary Gauss–Markov source; the
    others are iid.
    """
    rng = np.random.default_rng(seed)
    if source == "laplace":
        return rng.laplace(0.0, 1 / np.sqrt(2), (count, length))
    if source == "uniform":
        return rng.uniform(-np.sqrt(3), np.sqrt(3), (count, length))
    noise = rng.standard_normal((count, length))
    if source == "gauss-markov":
        spread = np.sqrt(1 - correlation**2)
        for column in range(1, length):
            noise[:, column] = correlation * noise[:, column - 1] + spread * noise[:, column]
    return noise


class SyntheticVectors:
    """The test vectors of a source, in blocks of ``settings.per_item`` vectors.

    Settings: source, length, vectors, per_item and, of the Gauss–Markov source, correlation.
    """

    settings_known = tuple("source length vectors per_item correlation".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        self._source = str(settings["source"])
        if self._source not in SOURCES:
            raise CardError(
                f"datasets/{card.path.name}: unknown source {self._source!r}; "
                f"{near_matches(self._source, SOURCES)}"
            )
        self._length = whole_setting(card, settings, "length")
        self._vectors = whole_setting(card, settings, "vectors")
        self._per_item = whole_setting(card, settings, "per_item")
        self._correlation = float(str(settings.get("correlation", 0.0)))
        self._limit = options.limit

    def items(self) -> Sequence[Item]:
        blocks = self._vectors // self._per_item
        layout = Layout("vector", REAL, self._length, self._per_item)
        return [
            Item(f"block{index:03d}", self._digest(index), layout)
            for index in range(blocks)[: self._limit]
        ]

    def load(self, item: Item) -> Signal:
        index = int(item.name.removeprefix("block"))
        whole = _drawn(self._source, self._vectors, self._length, self._correlation)
        return vectors(whole[index * self._per_item : (index + 1) * self._per_item])

    def notes(self) -> tuple[str, ...]:
        kind = "iid" if self._source != "gauss-markov" else f"AR(1), ρ = {self._correlation:g}"
        return (
            f"generated: {self._vectors} test vectors of {self._length} {kind} {self._source} "
            f"samples, variance 1, seed {TEST_SEED}; training vectors have seed {TRAINING_SEED}",
        )

    def _digest(self, index: int) -> str:
        inputs = (
            self._source, self._vectors, self._length, self._per_item, self._correlation,
            TEST_SEED, index,
        )  # fmt: skip
        return hashlib.sha256(repr(inputs).encode()).hexdigest()


@lru_cache(maxsize=2)
def _drawn(source: str, count: int, length: int, correlation: float) -> NDArray[np.float64]:
    return draw(source, count, length, seed=TEST_SEED, correlation=correlation)
