"""Entropy models and layers whose weights, tables and streams are CompressAI's."""

from __future__ import annotations

import hashlib

import pytest
import torch
from torch import Tensor, nn

from bench.learned.hyperprior.plane_coder import PlaneCoder
from bench.learned.shared.entropy_models import EntropyBottleneck, GaussianConditional
from bench.learned.shared.exact import geometric_scales
from bench.learned.shared.layers import GDN, AttentionBlock, LowerBound
from tests.system.with_torch.codecs.golden import NO_COMPRESSAI

SCALES = geometric_scales(0.11, 64.0, 64)
MODULES = {
    "compressai.layers:GDN": (GDN, (12,)),
    "compressai.layers:AttentionBlock": (AttentionBlock, (12,)),
    "compressai.entropy_models:EntropyBottleneck": (EntropyBottleneck, (12,)),
    "compressai.entropy_models:GaussianConditional": (GaussianConditional, (SCALES,)),
}


def _both(name: str, **options: float) -> tuple[nn.Module, nn.Module]:
    """Ours and CompressAI's of one seed, with the weights of the latter moved a little."""
    room, _, kind = name.partition(":")
    theirs_of = getattr(pytest.importorskip(room, reason=NO_COMPRESSAI), kind)
    ours_of, arguments = MODULES[name]
    torch.manual_seed(3)
    ours = ours_of(*arguments, **options)
    torch.manual_seed(3)
    theirs = theirs_of(*arguments, **options)
    _check_equal(dict(ours.state_dict()), dict(theirs.state_dict()))
    assert [key for key, _ in ours.named_parameters()] == [
        key for key, _ in theirs.named_parameters()
    ]
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.shape[-1] != 3 or parameter.ndim != 3:  # but quantiles
                parameter.add_(0.3 * torch.rand_like(parameter))
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def _check_equal(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name


@pytest.mark.parametrize("name", list(MODULES)[:2])
def test_layers_are_compressai_s(name: str) -> None:
    ours, theirs = _both(name)
    results = []
    for module in (ours, theirs):
        x = (3 * torch.randn(2, 12, 9, 7, generator=torch.Generator().manual_seed(1))).double()
        x = x.float().requires_grad_()
        y = module(x)
        y.square().sum().backward()
        gradients = {key: each.grad for key, each in module.named_parameters()}
        results.append({"y": y, "x": x.grad, **gradients})
    _check_equal(*results)


@pytest.mark.parametrize("training", [True, False])
def test_the_bottleneck_is_compressai_s(training: bool) -> None:
    ours, theirs = _both("compressai.entropy_models:EntropyBottleneck", init_scale=4)
    assert isinstance(ours, EntropyBottleneck)
    theirs._update_quantiles()
    theirs.quantiles.data[:, :, 1] = 0
    theirs.update(force=True)
    ours.finalise()
    _check_equal(dict(ours.state_dict()), dict(theirs.state_dict()))
    z = 4 * torch.randn(2, 12, 5, 3)
    ours.train(training)
    theirs.train(training)
    torch.manual_seed(1)
    expected = theirs(z)[1]
    torch.manual_seed(1)
    noise = torch.empty(12, 1, 30).uniform_(-0.5, 0.5)
    found = ours(z, lambda each: each + noise if training else each.round())
    assert torch.equal(found, expected)
    rows = torch.arange(12, dtype=torch.int32)[None, :, None, None].expand(1, -1, 5, 3)
    coder, symbols = PlaneCoder(ours.tables), ours.symbols(z[:1])
    assert coder.encode(symbols, rows) == theirs.compress(z[:1])[0]


@pytest.mark.parametrize("training", [True, False])
def test_gaussians_are_compressai_s(training: bool) -> None:
    ours, theirs = _both("compressai.entropy_models:GaussianConditional")
    assert isinstance(ours, GaussianConditional)
    theirs.update()
    ours.finalise()
    _check_equal(dict(ours.state_dict()), dict(theirs.state_dict()))
    rows = torch.randint(64, (1, 8, 30, 20), dtype=torch.int32)
    scales = ours.scale_table[rows.long()] * torch.rand(rows.shape).add(0.5)
    means = torch.randn(rows.shape)
    y = means + scales * torch.randn(rows.shape)
    ours.train(training)
    theirs.train(training)
    torch.manual_seed(1)
    expected = theirs(y, scales, means)[1]
    torch.manual_seed(1)
    assert torch.equal(ours(y, scales, means), expected)
    symbols = torch.round(y - means).int()
    coder = PlaneCoder(ours.tables)
    stream = coder.encode(symbols, rows)
    assert stream == theirs.compress(y, rows, means)[0]
    assert torch.equal(coder.decode(stream, rows), symbols)


def test_tables_of_gaussians() -> None:
    """Golden: a change of the tables is a breaking change. In float64, whose errors no entry sees;
    written by CompressAI 1.2.8 in that precision."""
    model = GaussianConditional(SCALES).double()
    model.scale_table = torch.tensor(SCALES, dtype=torch.float64)
    model.finalise()
    tables = model.tables
    # 2 × 6.11 deviations, the middle, the symbol for values outside and the end
    assert tables.lengths[[0, 63]].tolist() == [2 * 1 + 3, 2 * 392 + 3]
    assert tables.offsets[[0, 63]].tolist() == [-1, -392]
    digest = hashlib.sha256(tables.cumulative.tobytes()).hexdigest()
    assert digest[:16] == "8bac499fda11e078"


def test_the_gradient_of_a_bound_leads_back_to_it() -> None:
    bound = LowerBound(2.0)
    x = torch.tensor([1.0, 1.0, 3.0, 3.0], requires_grad=True)
    y = bound(x)
    assert y.tolist() == [2, 2, 3, 3]
    (y * torch.tensor([1.0, -1.0, 1.0, -1.0])).sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, -1, 1, -1]
