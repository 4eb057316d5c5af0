"""The walk over a latent whose elements depend on those before them."""

import pytest
import torch
from torch import Tensor

from bench.learned.shared.checkerboard import CheckerboardContext, Conditional, Elements, Walked

LATENTS, INPUTS = 40, 6
SIZES = [(1, 2), (2, 3), (4, 4), (3, 2)]


def _network() -> CheckerboardContext:
    torch.manual_seed(3)
    network = CheckerboardContext(torch.linspace(4, 0.1, LATENTS), INPUTS, hidden=16)
    with torch.no_grad():
        for heads in network.heads:
            assert isinstance(heads, torch.nn.ModuleList)
            for head in heads:
                head.weight.normal_(0, 0.05)
    return network.eval()


def _given(height: int, width: int, batch: int = 2) -> tuple[Conditional, Tensor, Tensor]:
    """What the hyper-latent says, in multiples of 2⁻⁸, and a step in deviations."""
    draw = torch.Generator().manual_seed(4)

    def fixed(channels: int) -> Tensor:
        shape = (batch, channels, height, width)
        return torch.randint(-400, 400, shape, generator=draw).double() / 256

    unit = torch.rand(batch, LATENTS, 1, 1, generator=draw, dtype=torch.float64)
    return Conditional(fixed(LATENTS), fixed(LATENTS)), fixed(INPUTS), unit


def _symbols(height: int, width: int, batch: int = 2) -> Tensor:
    shape = (batch, LATENTS, height, width)
    return torch.randint(-3, 4, shape, generator=torch.Generator().manual_seed(5))


def _walked(network: CheckerboardContext, symbols: Tensor) -> Walked:
    known, features, unit = _given(*symbols.shape[2:], batch=len(symbols))
    with torch.no_grad():
        walked: Walked = network(known, features, unit, lambda elements, _: elements.of(symbols))
    return walked


@pytest.mark.parametrize("size", SIZES)
def test_every_element_is_coded_once(size: tuple[int, int]) -> None:
    known, features, unit = _given(*size)
    symbols, seen = _symbols(*size), torch.zeros(2, LATENTS, size[0] * size[1])

    def code(elements: Elements, found: Conditional) -> Tensor:
        assert elements.places is not None
        seen[:, elements.channels, elements.places] += 1
        assert found.index.shape == found.mean.shape == elements.of(symbols).shape
        return elements.of(symbols)

    with torch.no_grad():
        walked = _network()(known, features, unit, code)
    assert torch.equal(seen, torch.ones_like(seen))
    assert torch.equal(walked.distance, symbols.double())


def test_an_element_depends_on_what_is_before_it_alone() -> None:
    """On earlier groups at its place and, on the second colour, on its four neighbours."""
    network, symbols = _network(), _symbols(4, 5, 1)
    before = _walked(network, symbols)
    bounds = [group.start for group in network.groups] + [LATENTS]
    place, channel = (1, 2), 2  # of the second colour or the first, in the second group
    for row, column in (place, (1, 1)):
        changed = symbols.clone()
        changed[0, channel, row, column] += 2
        moved = _walked(network, changed).index != before.index
        later = torch.zeros_like(moved)
        later[0, bounds[2] :, row, column] = True
        if (row + column) % 2 == 0:
            for down, right in ((-1, 0), (0, -1), (0, 1), (1, 0)):
                later[0, :, row + down, column + right] = True
        assert bounds[1] <= channel < bounds[2]
        assert moved.any() and not (moved & ~later).any()
        assert moved[later].float().mean() > 0.9


def test_all_at_once_and_one_by_one_are_the_same_numbers() -> None:
    symbols = _symbols(3, 5)
    both, network = _walked(_network(), symbols), _network()
    known, features, unit = _given(3, 5)
    for k in range(2):
        own = slice(k, k + 1)
        alone = network(
            Conditional(known.index[own], known.mean[own]),
            features[own],
            unit[own],
            lambda elements, _, own=own: elements.of(symbols[own]),
        )
        assert torch.equal(alone.index, both.index[own])
        assert torch.equal(alone.mean, both.mean[own])


def test_sums_are_exact_in_any_order() -> None:
    """The inputs of a sum in another order, with its weights."""
    network, symbols = _network(), _symbols(4, 4)
    before = _walked(network, symbols)
    order = torch.randperm(INPUTS, generator=torch.Generator().manual_seed(6))
    known, features, unit = _given(4, 4)
    with torch.no_grad():
        for conv in network.hyper:
            conv.weight.copy_(conv.weight[:, order].clone())
        after = network(known, features[:, order], unit, lambda elements, _: elements.of(symbols))
    assert before.index.dtype == torch.float64
    assert torch.equal(before.index, after.index) and torch.equal(before.mean, after.mean)


def test_training_starts_from_what_the_hyper_latent_says() -> None:
    network = CheckerboardContext(torch.ones(LATENTS), INPUTS)
    known, features, unit = (_given(2, 4)[0], _given(2, 4)[1].float(), _given(2, 4)[2].float())
    plain = Conditional(known.index.float(), known.mean.float())
    walked = network(plain, features, unit, lambda _, found: torch.zeros_like(found.mean))
    assert torch.equal(walked.index, plain.index) and torch.equal(walked.mean, plain.mean)
    walked.index.sum().backward()
    assert network.heads[1][3].weight.grad.abs().sum() > 0
