"""Paired differences over items and whether they are more than chance. Knows no codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGNIFICANCE = 0.05
_ITEMS_FOR_A_TEST = 3


@dataclass(frozen=True, slots=True, eq=False)
class Shift:
    """How far one quantity moved, over the items that both sides have; positive is worse.

    ``values`` are those of ``items``, in ``unit``.
    """

    quantity: str
    unit: str
    items: Sequence[str]
    values: NDArray[np.float64]
    tolerance: float
    rising: bool = False
    """The quantity itself grows as it gets worse, as bits do; else it falls, as quality does."""

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    @property
    def worst(self) -> float:
        return float(self.values.max())

    @property
    def worst_item(self) -> str:
        return self.items[int(self.values.argmax())]

    @property
    def best(self) -> float:
        return float(self.values.min())

    @property
    def best_item(self) -> str:
        return self.items[int(self.values.argmin())]

    @property
    def p_value(self) -> float | None:
        """That of the paired t-test (Student 1908) against a mean of 0, two-sided; None below three
        items, where the tolerance alone decides."""
        values, count = self.values, len(self.values)
        if count < _ITEMS_FOR_A_TEST:
            return None
        if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
            # the same difference everywhere has no variance to test against: it is systematic
            return 1.0 if values[0] == 0 else 0.0
        from scipy.special import stdtr

        statistic = abs(values.mean()) / (values.std(ddof=1) / np.sqrt(count))
        return float(2 * stdtr(count - 1, -statistic))

    @property
    def worse(self) -> bool:
        """The mean moved the wrong way, beyond the tolerance and beyond chance."""
        return self.mean > self.tolerance and self.significant

    @property
    def better(self) -> bool:
        return self.mean < -self.tolerance and self.significant

    @property
    def significant(self) -> bool:
        return (p := self.p_value) is None or p < SIGNIFICANCE
