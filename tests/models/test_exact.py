"""Fixed-point weights of exact convolutions follow the weights that they are made of."""

from __future__ import annotations

import copy

import torch

from bench.models.exact import WEIGHT_UNIT, ExactConv2d


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
