import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from bench.codecs.support.weights import read_tensors, save_weights
from bench.errors import CardError


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


def test_integers_with_a_scale_a_row_come_back_within_half_a_step(tmp_path: Path) -> None:
    torch.manual_seed(0)
    rows = (
        torch.randn(8, 16, 5, 7) * torch.tensor([0.01, 1, 30, 2, 1, 1, 1, 0])[:, None, None, None]
    )
    tensors = {"kernel": rows, "bias": torch.randn(8), "small": torch.randn(4, 4)}
    path = save_weights(tmp_path, "codec", "model", tensors, precision="int8")
    assert path.stat().st_size < 1.2 * rows.numel()
    found = read_tensors(path)
    assert set(found) == set(tensors)
    step = rows.flatten(1).abs().amax(1) / 127
    error = (found["kernel"] - rows).flatten(1).abs().amax(1)
    assert (error <= 0.51 * step + 1e-9).all()
    assert torch.equal(found["small"], tensors["small"].half().float())


@pytest.mark.parametrize(
    ("taken", "lacks"), [("kernel.scale_of_rows", "scale"), ("kernel", "integers")]
)
def test_integers_without_their_scale_are_refused(tmp_path: Path, taken: str, lacks: str) -> None:
    tensors = {"kernel": torch.randn(16, 16, 5, 5)}
    path = save_weights(tmp_path, "codec", "model", tensors, precision="int8")
    stored = load_file(path)
    assert taken in stored
    save_file({key: value for key, value in stored.items() if key != taken}, path)
    with pytest.raises(CardError, match=f"kernel has no {lacks}"):
        read_tensors(path)


def test_every_model_card_tells_the_trainings_before_or_that_they_are_unknown() -> None:
    paths = sorted((Path(__file__).parents[3] / "codecs" / "weights").glob("*/*.json"))
    assert len(paths) >= 40
    for path in paths:
        card = json.loads(path.read_text(encoding="utf-8"))
        earlier = card["earlier_trainings"]
        assert all(one["steps"] > 0 and one["seconds"] > 0 and one["weights"] for one in earlier)
        if card["started_from"] is None:
            assert earlier == [] and card["earlier_known"] is True, path
        else:
            assert earlier if card["earlier_known"] else card["earlier_note"], path


def test_the_trainings_of_the_hyperprior_are_those_that_were_committed() -> None:
    """Seconds of its six model cards in the history of this repository, from random weights on."""
    path = Path(__file__).parents[3] / "codecs" / "weights" / "hyperprior" / "model.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    seconds = [one["seconds"] for one in card["earlier_trainings"]]
    assert seconds == [3360.4, 11677.3, 3600.1, 4500.0, 5700.4] and card["seconds"] == 3480.1
