"""Checkpoints on a full disk, averaged weights and the schedule's warm-ups."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.learned.training.average import WeightAverage
from bench.learned.training.checkpoint import Checkpoint, save_checkpoint
from bench.learned.training.schedule import REWARM, rate_factor
from bench.learned.training.settings import TrainingSettings

SETTINGS = TrainingSettings(task="", steps=10, batch=1, learning_rate=1e-3, warmup=0.1)


def _checkpoint(parameters: int) -> Checkpoint:
    model = {"weight": torch.zeros(parameters)}
    return Checkpoint(codec="tiny", name="model", settings={}, model=model)


def test_statistics_of_batch_normalisation_are_averaged_with_the_weights() -> None:
    model = nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 2))
    model.register_buffer("codes", torch.zeros(3))
    average = WeightAverage(model, 0.5, ["codes"])
    assert set(average.values) - {"codes"} == {
        "0.weight", "0.bias", "1.weight", "1.bias", "0.running_mean", "0.running_var",
    }  # fmt: skip
    model(torch.randn(50, 2) + 8)
    raw = model[0].running_mean.clone()
    model.codes += 4
    average.update(100)
    with average.applied():
        assert torch.allclose(model[0].running_mean, raw / 2)
        assert model.codes.tolist() == [2, 2, 2]
    assert torch.equal(model[0].running_mean, raw) and model.codes.tolist() == [4, 4, 4]
    with pytest.raises(KeyError):
        WeightAverage(model, 0.5, ["missing"])


def test_an_average_of_before_batch_normalisation_was_averaged_goes_on() -> None:
    model = nn.BatchNorm1d(2)
    average = WeightAverage(model, 0.9)
    model(torch.randn(9, 2) + 5)
    average.load({"weight": torch.full((2,), 3.0), "bias": torch.zeros(2)})
    assert average.values["weight"].tolist() == [3, 3]
    assert torch.equal(average.values["running_mean"], model.running_mean)


def test_the_rate_rises_then_falls() -> None:
    factors = [rate_factor(SETTINGS, fraction) for fraction in (0, 0.05, 0.1, 0.55, 1)]
    assert factors == pytest.approx([0.01, 0.5, 1, 0.5, 0], abs=1e-9)
    plain = TrainingSettings(task="", steps=10, batch=1, learning_rate=1e-3)
    assert rate_factor(plain, 0) == 1
    assert rate_factor(plain, REWARM / 2, trained=True) == pytest.approx(0.5)
    assert rate_factor(SETTINGS, 0.05, trained=True) == 0.5


def test_a_full_disk_leaves_the_old_checkpoint_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch turns what the disk says into a RuntimeError of its own."""
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, _checkpoint(800))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_checkpoint(path, _checkpoint(40_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
