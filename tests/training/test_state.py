"""Compact checkpoints, averaged weights and the schedule's warm-ups."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.cards import CodecCard
from bench.training.average import WeightAverage
from bench.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from bench.training.compact import compacted, expanded
from bench.training.schedule import REWARM, rate_factor
from bench.training.settings import Recipe, TrainingSettings

SETTINGS = TrainingSettings(task="", steps=10, batch=1, learning_rate=1e-3, warmup=0.1)


def _trained(parameters: int = 40_000) -> Checkpoint:
    """Of a network with gradients of many magnitudes, some of which are zero."""
    torch.manual_seed(0)
    model = nn.Linear(parameters // 8, 8)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    average = WeightAverage(model, 0.99)
    scales = torch.logspace(-5, 3, parameters).view(8, -1)
    for step in range(5):
        model.weight.grad = torch.randn_like(model.weight) * scales
        model.weight.grad[0, :100] = 0
        model.bias.grad = torch.randn(8)
        optimiser.step()
        average.update(step)
    state = {key: each.clone() for key, each in model.state_dict().items()}
    return Checkpoint(
        codec="tiny", name="model", settings={}, step=5, model=state,
        optimiser=optimiser.state_dict(), average=average.values,
    )  # fmt: skip


def test_a_compact_checkpoint_has_half_the_size_and_nearly_the_same_content(tmp_path: Path) -> None:
    whole = _trained()
    save_checkpoint(tmp_path / "whole.pt", whole)
    save_checkpoint(tmp_path / "compact.pt", compacted(whole))
    sizes = [(tmp_path / f"{name}.pt").stat().st_size for name in ("compact", "whole")]
    assert sizes[0] < 0.53 * sizes[1]
    recipe = Recipe(CodecCard("tiny", Path("tiny.toml"), "", "", ()), "model", SETTINGS)
    loaded = load_checkpoint(tmp_path / "compact.pt", _without_settings(recipe))
    assert loaded.compact and loaded.rounded == (5,)
    again = expanded(loaded)
    for key, value in whole.model.items():
        assert torch.equal(again.model[key], value)
        distance = (whole.average[key] - value).abs()
        assert ((again.average[key] - whole.average[key]).abs() <= 2**-8 * distance + 1e-7).all()
    before, after = (each.optimiser["state"] for each in (whole, again))
    large, small = 0, 1
    assert torch.equal(after[small]["exp_avg"], before[small]["exp_avg"])
    root, kept = (each[large]["exp_avg_sq"].sqrt() for each in (after, before))
    # eight decades within a tensor: none falls out of float8's range
    moved = kept > 0
    assert ((root / kept)[moved] - 1).abs().max() <= 0.125 + 1e-6
    assert (root[~moved] == 0).all() and (after[large]["exp_avg"][~moved] == 0).all()
    first, expected = (each[large]["exp_avg"][moved] for each in (after, before))
    # within the step of float8, or below the least that counts beside the root
    assert ((first - expected).abs() <= 0.0626 * expected.abs() + 2e-3 * kept[moved]).all()


def _without_settings(recipe: Recipe) -> Recipe:
    """That refuses no checkpoint for its settings."""

    class Any(TrainingSettings):
        def comparable(self) -> dict[str, object]:
            return {}

    return Recipe(recipe.card, recipe.name, Any(task="", steps=1, batch=1, learning_rate=1.0))


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
    save_checkpoint(path, _trained(800))
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save_checkpoint(path, _trained())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
