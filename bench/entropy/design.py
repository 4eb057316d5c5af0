"""Trellis codes for given rates: their design from samples, and their tensors in a weight file."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bench.entropy.trellis import TrellisCode, design

_GAIN = {8: 1.10, 256: 1.045}
"""Distortion relative to the Shannon bound that these codes are known to reach."""


def read_designs(tensors: Mapping[str, ArrayLike]) -> dict[float, tuple[TrellisCode, float]]:
    """Codes and their Lagrangian weights by rate, from the tensors of a weight file. Raises
    ValueError for a tensor that is missing or of another shape."""
    found = {}
    for key in sorted({name.rsplit(".", 1)[0] for name in tensors}, key=float):
        names = [f"{key}.{part}" for part in ("levels", "probabilities", "about")]
        missing = [name for name in names if name not in tensors]
        if missing:
            raise ValueError(f"no tensor {missing[0]}")
        levels, probabilities, about = (np.asarray(tensors[name], np.float64) for name in names)
        if about.shape != (2,):
            raise ValueError(f"{key}.about of shape {about.shape}, not (2,)")
        code = TrellisCode(int(about[0]), levels, probabilities)
        found[float(key)] = (code, float(about[1]))
    return found


def design_for_rate(
    samples: NDArray[np.float64], states: int, rate: float, *, rounds: int = 20
) -> tuple[TrellisCode, float, float]:
    """A code whose conditional entropy is near ``rate``, its Lagrangian weight and its entropy.

    The weight is the slope −dD/dR = 2 ln 2 · D of the bound there; the step is searched with an
    8-state code, which costs little, as the rate hardly depends on the number of states.
    """
    weight = 2 * np.log(2) * 2.0 ** (-2 * rate) * _GAIN[states]
    few = samples[:50_000]
    low, high = 0.02, 4.0
    for _ in range(12):
        step = float(np.sqrt(low * high))
        _, entropy, _ = design(few, 8, step, weight, rounds=6)
        low, high = (step, high) if entropy > rate else (low, step)
    code, entropy, _ = design(samples, states, float(np.sqrt(low * high)), weight, rounds=rounds)
    return code, weight, entropy
