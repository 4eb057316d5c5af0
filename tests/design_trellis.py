"""Designs the trellis codes that ship: ``python -m tests.design_trellis`` writes them as weights.

A code per source, number of states and rate, by generalised Lloyd iteration on training samples;
the gradient loop has no part in it.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from numpy.typing import NDArray

from bench.cards import load_registry
from bench.datasets.synthetic import draw
from bench.entropy.trellis import Floats, TrellisCode

RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
COMMAND = "python -m tests.design_trellis"
_SAMPLES = 200_000
_SEED = 1001

_GAIN = {8: 1.10, 256: 1.045}
"""Distortion relative to the Shannon bound that these codes are known to reach."""


def main() -> int:
    import torch

    from bench.codecs.support.weights import save_model_card, save_weights, weights_path
    from bench.learned.training.lineage import Lineage

    card = load_registry().codec("ectcq")
    for source in ("gaussian", "laplace", "uniform"):
        samples = draw(source, _SAMPLES // 100, 100, seed=_SEED).ravel()
        for states in (8, 256) if source == "gaussian" else (8,):
            start, tensors, figures = time.perf_counter(), {}, {}
            for rate in RATES:
                code, weight, entropy = design_for_rate(samples, states, rate)
                tensors[f"{rate}.levels"] = torch.from_numpy(code.levels)
                tensors[f"{rate}.probabilities"] = torch.from_numpy(code.probabilities)
                tensors[f"{rate}.about"] = torch.tensor([states, weight])
                figures[f"entropy at rate {rate}"] = round(entropy, 4)
            name = f"{source}-{states}"
            folder = weights_path(card, name).parent
            path = save_weights(folder, card.id, name, tensors, precision="float32")
            save_model_card(
                path,
                {
                    "codec": card.id, "name": name, "command": COMMAND,
                    "data": f"{_SAMPLES} samples, seed {_SEED}", "device": "cpu",
                    "seconds": round(time.perf_counter() - start, 1), "validation": figures,
                    **Lineage().facts(),
                },
            )  # fmt: skip
            print(path, figures, flush=True)
    return 0


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


def design(
    samples: Floats, states: int, step: float, weight: float, *, rounds: int = 30
) -> tuple[TrellisCode, float, float]:
    """A code for the source of ``samples``, with its conditional entropy in bits and its MSE.

    Generalised Lloyd iteration of Fischer & Wang: search with Lagrangian ``weight``, then move the
    levels to their centroids and the probabilities to the frequencies. Starts from levels
    ``step`` apart.
    """
    reach = int(np.ceil(float(np.abs(samples).max()) / (2 * step))) + 1
    even = 2 * step * np.arange(-reach, reach + 1)
    levels = np.stack([even, even + step])
    centre = np.exp(-(levels**2) / (2 * float(samples.var())))
    code = TrellisCode(states, levels, centre / centre.sum(axis=1, keepdims=True))
    rate = mse = 0.0
    for _ in range(rounds):
        indices = code.search(samples, weight)
        supersets = code.supersets(indices)
        count = np.zeros(levels.shape)
        total = np.zeros(levels.shape)
        np.add.at(count, (supersets, indices), 1.0)
        np.add.at(total, (supersets, indices), samples)
        used = np.maximum(count, 1e-9)
        mse = float(np.mean((samples - code.levels[supersets, indices]) ** 2))
        smoothed = (count + 0.05) / (count + 0.05).sum(axis=1, keepdims=True)
        rate = float(-np.log2(smoothed[supersets, indices]).mean())
        # a level that few samples chose stays where it was
        moved = np.where(count >= 8, total / used, code.levels)
        code = TrellisCode(states, moved, smoothed)
    return code, rate, mse


if __name__ == "__main__":
    sys.exit(main())
