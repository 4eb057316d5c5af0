"""Entropy-constrained trellis-coded quantisation: trellises, Viterbi search, walk and weight files.

Marcellin & Fischer (1990) with Fischer & Wang's entropy constraint (1992): levels are labelled
D0 D1 D2 D3 in turn, a state allows D0 ∪ D2 or D1 ∪ D3, and the index within this superset is what
is coded. No bitstream is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

# Ungerboeck (1982), table I: parity-check polynomials (h0, h1) of the best rate-1/2 codes for
# amplitude modulation, by number of states
_POLYNOMIALS = {
    4: (0o5, 0o2),
    8: (0o13, 0o4),
    16: (0o23, 0o4),
    32: (0o45, 0o10),
    64: (0o103, 0o24),
    128: (0o235, 0o126),
    256: (0o515, 0o362),
}
STATES = tuple(_POLYNOMIALS)


@cache
def transitions(states: int) -> NDArray[np.int64]:
    """Next state ``(states, 2)`` by state and branch bit z1, of the systematic feedback encoder.

    z0, the superset that a state allows, is the state's lowest bit.
    """
    h0, h1 = _POLYNOMIALS[states]
    memory = states.bit_length() - 1
    table = np.zeros((states, 2), np.int64)
    for state in range(states):
        z0 = state & 1
        for z1 in (0, 1):
            following = 0
            for j in range(1, memory + 1):
                carried = (state >> j) & 1
                fed = ((h0 >> j) & 1) * z0 ^ ((h1 >> j) & 1) * z1
                following |= (carried ^ fed) << (j - 1)
            table[state, z1] = following
    return table


@dataclass(frozen=True, slots=True, eq=False)
class TrellisCode:
    """A designed quantiser. Row z of ``levels`` and ``probabilities``, each ``(2, n)``, is the
    superset D_z ∪ D_{z+2}: increasing levels, of which every second belongs to either subset."""

    states: int
    levels: Floats
    probabilities: Floats

    def __post_init__(self) -> None:
        if self.states not in _POLYNOMIALS:
            raise ValueError(f"{self.states} states; known: {', '.join(map(str, STATES))}")
        for name, table in (("levels", self.levels), ("probabilities", self.probabilities)):
            if table.ndim != 2 or len(table) != 2 or table.shape != self.levels.shape:
                raise ValueError(f"{name} of shape {table.shape}; both are (2, n)")
            if not np.isfinite(table).all():
                raise ValueError(f"{name} that are not finite")

    def search(self, samples: Floats, weight: float) -> Indices:
        """The indices of least Σ error² + ``weight`` · bits from state 0 (Viterbi)."""
        bits = -np.log2(np.maximum(self.probabilities, 1e-12))
        return np.asarray(_viterbi(samples, self.levels, weight * bits, transitions(self.states)))

    def reproduce(self, indices: Indices) -> Floats:
        """The reproduction of indices from state 0."""
        return np.asarray(self.levels[self.supersets(indices), indices])

    def supersets(self, indices: Indices) -> Indices:
        """Which superset each index is of."""
        return np.asarray(_walk(indices, transitions(self.states)))


@njit(cache=True)
def _viterbi(samples, levels, costs, following):  # type: ignore[no-untyped-def]  # pragma: no cover
    n, states = samples.size, following.shape[0]
    size = levels.shape[1]
    total = np.full(states, 1e300)
    total[0] = 0.0
    back = np.empty((n, states), np.int32)
    chosen = np.empty((n, states), np.int16)
    best_cost = np.empty((2, 2))
    best_index = np.empty((2, 2), np.int64)
    for t in range(n):
        x = samples[t]
        for z in range(2):
            best_cost[z, 0] = best_cost[z, 1] = 1e300
            for i in range(size):
                cost = (x - levels[z, i]) ** 2 + costs[z, i]
                if cost < best_cost[z, i & 1]:
                    best_cost[z, i & 1] = cost
                    best_index[z, i & 1] = i
        updated = np.full(states, 1e300)
        for state in range(states):
            if total[state] >= 1e300:
                continue
            z = state & 1
            for branch in range(2):
                cost = total[state] + best_cost[z, branch]
                target = following[state, branch]
                if cost < updated[target]:
                    updated[target] = cost
                    back[t, target] = state
                    chosen[t, target] = best_index[z, branch]
        total = updated
    indices = np.empty(n, np.int64)
    state = int(np.argmin(total))
    for t in range(n - 1, -1, -1):
        indices[t] = chosen[t, state]
        state = back[t, state]
    return indices


@njit(cache=True)
def _walk(indices, following):  # type: ignore[no-untyped-def]  # pragma: no cover
    supersets = np.empty(indices.size, np.int64)
    state = 0
    for t in range(indices.size):
        supersets[t] = state & 1
        state = following[state, indices[t] & 1]
    return supersets


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
