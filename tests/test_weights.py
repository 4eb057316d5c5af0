from pathlib import Path

import torch

from bench.weights import read_tensors, save_weights


def test_what_float16_cannot_hold_stays_float32(tmp_path: Path) -> None:
    tensors = {
        "bound": torch.tensor([1e-9]),
        "large": torch.tensor([1.0, 1e5]),
        "weight": torch.tensor([0.1, -2.0, 1e-9]),
        "zero": torch.zeros(3),
        "count": torch.tensor([70000]),
    }
    path = save_weights(tmp_path, "codec", "model", tensors, precision="float16")
    found = read_tensors(path)
    assert torch.equal(found["bound"], tensors["bound"])
    assert torch.equal(found["large"], tensors["large"])
    assert torch.equal(found["weight"], tensors["weight"].half().float())
    assert torch.equal(found["zero"], tensors["zero"])
    assert torch.equal(found["count"], tensors["count"])
