"""Fixed-point weights of exact convolutions follow the weights that they are made of."""

from __future__ import annotations

import copy

import pytest
import torch

from bench.learned.shared.exact import ACTIVATION_LIMIT, WEIGHT_LIMIT, WEIGHT_UNIT, ExactConv2d
from bench.learned.shared.winograd import MOST_CHANNELS


def _right(conv: ExactConv2d) -> bool:
    weight, bias = conv.fixed_point()
    plain = torch.round(conv.weight.double() / WEIGHT_UNIT) * WEIGHT_UNIT
    assert conv.bias is not None
    return bool(torch.equal(weight, plain)) and bool((bias - conv.bias).abs().max() < 1e-5)


def test_rounded_weights_are_kept_until_the_weights_change() -> None:
    torch.manual_seed(0)
    conv = ExactConv2d(3, 4, 3, padding=1).eval()
    assert _right(conv)
    assert conv.fixed_point()[0] is conv.fixed_point()[0]
    with torch.no_grad():
        conv.weight += 0.25
    assert _right(conv)
    other = ExactConv2d(3, 4, 3, padding=1)
    conv.load_state_dict(other.state_dict())
    assert _right(conv)
    conv.weight.data = torch.zeros_like(conv.weight)
    assert _right(conv)
    assert _right(copy.deepcopy(other))


def test_weights_made_in_inference_mode_can_be_rounded() -> None:
    with torch.inference_mode():
        assert _right(ExactConv2d(3, 4, 1).eval())


@pytest.mark.parametrize(
    ("batch", "inputs", "outputs", "height", "width"), [(1, 128, 40, 6, 8), (3, 5, 7, 3, 1)]
)
def test_winograd_gives_the_very_sums(
    batch: int, inputs: int, outputs: int, height: int, width: int
) -> None:
    """With the largest weights and activations of all signs, which have the longest sums."""
    torch.manual_seed(1)
    conv = ExactConv2d(inputs, outputs, 3, padding=1).eval()
    with torch.no_grad():
        conv.weight.copy_(WEIGHT_LIMIT * (2 * torch.rand_like(conv.weight) - 1))
        conv.weight[0], conv.weight[1] = WEIGHT_LIMIT, -WEIGHT_LIMIT
        x = ACTIVATION_LIMIT * (2 * torch.rand(batch, inputs, height, width).double() - 1)
        x[-1, :, :2] = ACTIVATION_LIMIT
        expected = conv(x)
        conv.by_winograd = True
        assert torch.equal(conv(x), expected)
        assert torch.equal(conv(x.contiguous(memory_format=torch.channels_last)), expected)


def test_winograd_s_weights_follow_the_weights() -> None:
    conv = ExactConv2d(3, 4, 3, padding=1).eval()
    conv.by_winograd = True
    x = torch.ones(1, 3, 5, 4)
    with torch.no_grad():
        before = conv(x)
        conv.weight += 0.25
        assert float((conv(x) - before).min()) >= 0.25 * 3 * 4  # a corner sees four places


def test_sums_too_long_for_winograd_are_made_as_ever() -> None:
    conv = ExactConv2d(MOST_CHANNELS + 1, 1, 3, padding=1).eval()
    conv.by_winograd = True
    with torch.no_grad():
        conv.weight.fill_(WEIGHT_LIMIT)
        found = conv(torch.full((1, MOST_CHANNELS + 1, 1, 1), ACTIVATION_LIMIT))
    assert float(found) - float(conv.fixed_point()[1]) == (
        (MOST_CHANNELS + 1) * WEIGHT_LIMIT * ACTIVATION_LIMIT
    )
