import numpy as np
import pytest
import torch

from bench.entropy.context import probabilities
from bench.learned.shared.latent_context import LatentContext, group_of, past_frames

CODES = (2, 8)


def _model() -> LatentContext:
    torch.manual_seed(0)
    model = LatentContext(CODES, 2, width=12)
    with torch.no_grad():
        model.offset.normal_()
    return model.eval()


def _values(frames: int = 5) -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.rand((2, frames, 6, 7), generator=rng, dtype=torch.float64) * 2 - 1


def _logits(model: LatentContext, values: torch.Tensor) -> list[torch.Tensor]:
    features = model.features(past_frames(values), 1)
    here = values.transpose(0, 1)
    return [model.logits(features, here, group, 1) for group in range(model.groups)]


def test_the_groups_part_a_frame() -> None:
    groups = group_of(2, 2, 3)
    assert groups.tolist() == [[[0, 1, 0], [1, 0, 1]], [[2, 3, 2], [3, 2, 3]]]


@torch.no_grad()
def test_nothing_that_is_coded_later_is_seen() -> None:
    """Changing a latent changes no probability of its own group, earlier groups or frames."""
    model, values = _model(), _values()
    before = _logits(model, values)
    changed = values.clone()
    place = (1, 2, 3, 3)  # channel 1, frame 2
    group = int(group_of(2, 6, 7)[1, 3, 3])
    changed[place] += 0.5
    after = _logits(model, changed)
    for each, (old, new) in enumerate(zip(before, after, strict=True)):
        assert torch.equal(old[:2], new[:2])
        assert torch.equal(old[2], new[2]) == (each <= group)
        assert not torch.equal(old[3], new[3])


@torch.no_grad()
def test_one_frame_alone_gives_the_very_same_numbers() -> None:
    """What lets an encoder compute all frames at once, and other machines decode."""
    model, values = _model(), _values()
    together = _logits(model, values)
    for time in range(5):
        features = model.features(past_frames(values[:, : time + 1])[-1:], 1)
        for group in range(model.groups):
            alone = model.logits(features, values[None, :, time], group, 1)
            assert torch.equal(alone[0], together[group][time])
            units = alone.numpy() * 2.0**20
            assert np.array_equal(units, np.rint(units))


def test_a_coder_before_a_training_leaves_it_its_gradients() -> None:
    """What both keep for a size must not belong to the mode in which it was made first."""
    model = _model()
    indices = torch.randint(8, (2, 2, 3, 5), generator=torch.Generator().manual_seed(2))
    values = torch.linspace(-1, 1, 8)[indices]
    with torch.inference_mode():
        _logits(model, values.double())
    model.train()
    torch.autograd.backward(model.bits(values, indices, 1, {0: torch.arange(2)}))
    assert model.past1.weight.grad is not None


def test_the_bits_of_training_are_those_of_the_coder() -> None:
    model = _model()
    indices = torch.randint(8, (2, 5, 6, 7), generator=torch.Generator().manual_seed(2))
    values = torch.linspace(-1, 1, 8, dtype=torch.float64)[indices]
    with torch.no_grad():
        logits = _logits(model, values)
    expected = 0.0
    for group in range(model.groups):
        shares = probabilities(logits[group].flatten(0, 1).numpy())
        here = indices.transpose(0, 1)[:, group_of(2, 6, 7) == group].flatten().numpy()
        expected -= float(np.log2(shares[np.arange(len(here)), here]).sum())
    model.train()
    found = sum(
        float(model.bits(values.float(), indices, 1, {group: torch.arange(5)}))
        for group in range(model.groups)
    )
    assert found == pytest.approx(expected, rel=2e-3)


def test_bits_have_slopes_from_level_to_level() -> None:
    """Of the last group, whose latents no other latent's probability depends on in this frame."""
    model = _model().train()
    levels = torch.tensor([-0.9, -0.5, -0.2, 0.0, 0.1, 0.4, 0.6, 1.0])
    indices = torch.randint(8, (2, 1, 4, 4), generator=torch.Generator().manual_seed(2))
    values = levels[indices].requires_grad_()
    frames = {model.groups - 1: torch.arange(1)}
    torch.autograd.backward(model.bits(values, indices, 1, frames, levels))

    def bits_with(number: int) -> float:
        changed = indices.clone()
        changed[place] = number
        with torch.no_grad():
            return float(model.bits(levels[changed], changed, 1, frames))

    assert values.grad is not None
    last = group_of(2, 4, 4)[:, None] == model.groups - 1
    for place in map(tuple, last.nonzero().tolist()):
        below, above = max(int(indices[place]) - 1, 0), min(int(indices[place]) + 1, 7)
        run = max(float(levels[above] - levels[below]), 2 / 8)
        slope = (bits_with(above) - bits_with(below)) / run
        assert float(values.grad[place]) == pytest.approx(slope, rel=1e-3, abs=1e-4)


def test_without_levels_only_what_is_known_has_slopes() -> None:
    model = _model().train()
    indices = torch.randint(8, (2, 1, 4, 4), generator=torch.Generator().manual_seed(2))
    values = torch.linspace(-1, 1, 8)[indices].requires_grad_()
    last = model.groups - 1
    torch.autograd.backward(model.bits(values, indices, 1, {last: torch.arange(1)}))
    assert values.grad is not None
    known = group_of(2, 4, 4)[:, None] < last
    assert values.grad[known].abs().min() > 0 and values.grad[~known].abs().max() == 0
