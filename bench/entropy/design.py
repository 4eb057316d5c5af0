"""Designs the shipped trellis codes: ``python -m bench.entropy.design`` writes them as weights.

A code per source, number of states and rate, from training samples of the synthetic sources.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.entropy.trellis import TrellisCode, design

RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
_SAMPLES = 200_000
_SEED = 1001
_GAIN = {8: 1.10, 256: 1.045}
"""Distortion relative to the Shannon bound that these codes are known to reach."""


def read_designs(tensors: Mapping[str, NDArray[Any]]) -> dict[float, tuple[TrellisCode, float]]:
    """Codes and their Lagrangian weights by rate, from the tensors of a weight file."""
    found = {}
    for key in sorted({name.rsplit(".", 1)[0] for name in tensors}, key=float):
        levels, probabilities, about = (
            np.asarray(tensors[f"{key}.{part}"], np.float64)
            for part in ("levels", "probabilities", "about")
        )
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


def main() -> int:
    import torch

    from bench.cards import load_registry
    from bench.datasets.synthetic import draw
    from bench.weights import save_model_card, save_weights, weights_path

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
                    "codec": card.id, "name": name, "command": "python -m bench.entropy.design",
                    "data": f"{_SAMPLES} samples, seed {_SEED}", "device": "cpu",
                    "seconds": round(time.perf_counter() - start, 1), "validation": figures,
                },
            )  # fmt: skip
            print(path, figures, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
