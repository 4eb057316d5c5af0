"""Refinement of latents, on costs whose minimum is known."""

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from bench.codecs.base import Complexity
from bench.codecs.support.refinement import frozen, refined, soft_round, with_refinement


def _distance(latents: Sequence[Tensor], done: float) -> Tensor:
    """To 1 and to −2."""
    return (latents[0] - 1).square().sum() + (latents[1] + 2).square().sum()


def test_latents_come_to_the_minimum_and_keep_their_shapes() -> None:
    start = (torch.zeros(2, 3, 4), torch.zeros(5, 1))
    first, second = refined(start, (5, 10), 200, _distance)
    torch.testing.assert_close(first, torch.ones(2, 3, 4), atol=0.02, rtol=0)
    torch.testing.assert_close(second, torch.full((5, 1), -2.0), atol=0.02, rtol=0)
    assert not start[0].any() and not first.requires_grad


def test_no_step_changes_nothing_and_a_reach_of_nothing_holds_a_latent() -> None:
    start = (torch.randn(1, 3), torch.randn(1, 3))
    assert all(map(torch.equal, refined(start, (1, 1), 0, _distance), start))
    first, second = refined(start, (1, 0), 5, _distance)
    assert not torch.equal(first, start[0]) and torch.equal(second, start[1])


@pytest.mark.parametrize("steps", [1, 2, 7, 100])
def test_the_reach_is_that_of_all_steps_together(steps: int) -> None:
    (moved,) = refined([torch.zeros(2, 8)], (0.5,), steps, lambda latents, done: latents[0].sum())
    torch.testing.assert_close(moved, torch.full((2, 8), -0.5))


def test_an_element_moves_as_far_as_it_matters() -> None:
    weight = torch.tensor([[1.0, 0.1, 0.0]])
    (moved,) = refined(
        [torch.zeros(1, 3)], (0.5,), 9, lambda latents, done: (weight * latents[0]).sum()
    )
    torch.testing.assert_close(moved, -0.5 * weight / weight.square().mean().sqrt())


def test_nothing_moves_where_nothing_matters() -> None:
    (held,) = refined([torch.ones(2, 3)], (0.5,), 3, lambda latents, done: (0 * latents[0]).sum())
    assert torch.equal(held, torch.ones(2, 3))


def test_an_item_of_a_batch_is_refined_as_if_it_were_alone() -> None:
    weight = torch.tensor([1.0, 50.0])[:, None]

    def cost(latents: Sequence[Tensor], done: float) -> Tensor:
        return (weight[: len(latents[0])] * (latents[0] - 1).square()).sum()

    start = torch.randn(2, 6, generator=torch.Generator().manual_seed(0))
    (both,) = refined([start], (0.1,), 7, cost)
    (alone,) = refined([start[:1]], (0.1,), 7, cost)
    torch.testing.assert_close(both[:1], alone)


def test_the_cost_hears_how_much_is_done() -> None:
    heard: list[float] = []

    def cost(latents: Sequence[Tensor], done: float) -> Tensor:
        heard.append(done)
        return latents[0].sum()

    refined([torch.zeros(1)], (0.1,), 4, cost)
    assert heard == [0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("done", [0.0, 0.5, 1.0])
def test_soft_rounding_meets_rounding_at_whole_and_half_numbers_and_has_a_gradient(
    done: float,
) -> None:
    # at borders it jumps nowhere: a step there has two sides, and the middle between them
    exact = torch.tensor([-3.0, -2.5, 0.0, 0.5, 7.0])
    torch.testing.assert_close(soft_round(exact, done), exact, atol=1e-6, rtol=0)
    x = torch.linspace(-2, 2, 401, requires_grad=True)
    (slope,) = torch.autograd.grad(soft_round(x, done).sum(), x)
    assert (slope >= 0).all() and slope.max() > 1


def test_soft_rounding_hardens() -> None:
    x = torch.linspace(-2, 2, 400)
    gaps = [float((soft_round(x, done) - x.round()).abs().mean()) for done in (0.0, 0.5, 1.0)]
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 0.5 * gaps[0]


def test_each_step_costs_the_encoder_the_decoder_twice() -> None:
    alone = Complexity(10.0, 5.0, 3.0, 100.0)
    assert with_refinement(alone, 7) == Complexity(10.0, 5.0 + 7 * 2 * 3.0, 3.0, 100.0)
    assert with_refinement(alone, 0) == alone


def test_the_network_of_refinement_is_another_one_without_gradients() -> None:
    network = nn.Linear(2, 2)
    copy = frozen(network)
    assert not any(each.requires_grad for each in copy.parameters())
    assert all(each.requires_grad for each in network.parameters())
    assert copy.weight.data_ptr() != network.weight.data_ptr()
