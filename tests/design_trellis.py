"""Designs the trellis codes that ship: ``python -m tests.design_trellis`` writes them as weights.

A code per source, number of states and rate, by generalised Lloyd iteration on training samples;
the gradient loop has no part in it.
"""

from __future__ import annotations

import sys
import time

import torch

from bench.cards import load_registry
from bench.codecs.support.weights import save_model_card, save_weights, weights_path
from bench.datasets.synthetic import draw
from bench.entropy.design import design_for_rate
from bench.learned.training.lineage import Lineage

RATES = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
COMMAND = "python -m tests.design_trellis"
_SAMPLES = 200_000
_SEED = 1001


def main() -> int:
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


if __name__ == "__main__":
    sys.exit(main())
