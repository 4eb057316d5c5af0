"""Rate–distortion optimised quantisation, on costs whose minimum is known."""

import torch
from torch import Tensor

from bench.codecs.support.refinement import Outlook, descended


def _apart(target: Tensor, coupling: float = 0.0, seen: list[Tensor] | None = None):
    """Half the squared distance to ``target``, and ``coupling`` times that of the sum: the more
    elements move together, the less their own changes say."""

    def look(latents: Tensor) -> Outlook:
        if seen is not None:
            seen.append(latents)
        off = latents - target
        slope = off + coupling * off.sum(1, keepdim=True)
        cost = (off.square().sum(1) + coupling * off.sum(1).square()) / 2
        bend = (1 + coupling) / 2
        return Outlook(cost, slope + bend, -slope + bend)

    return look


def test_each_step_moves_every_element_that_gains_by_one() -> None:
    target = torch.tensor([[3.0, -2.0, 0.4, 0.6]])
    start = torch.zeros(1, 4)
    assert torch.equal(descended(start, 1, _apart(target)), torch.tensor([[1.0, -1, 0, 1]]))
    assert torch.equal(descended(start, 5, _apart(target)), torch.tensor([[3.0, -2, 0, 1]]))
    assert not start.any()


def test_what_gains_alone_but_not_together_moves_in_part() -> None:
    """All eight together overshoot; the best half does not."""
    target = torch.full((1, 8), 0.3) + torch.linspace(0, 0.01, 8)
    look = _apart(target, coupling=1.0)
    costs = [float(look(descended(torch.zeros(1, 8), steps, look)).cost) for steps in range(6)]
    assert costs == sorted(costs, reverse=True) and costs[1] == costs[0] > costs[-1]
    moved = descended(torch.zeros(1, 8), 2, look)
    assert moved.tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]


def test_an_item_of_a_batch_moves_as_if_it_were_alone() -> None:
    """One overshoots at once, one after some steps, one never."""
    target = torch.tensor([[0.3, 0.32, 0.34, 0.36], [2, -3, 2.4, 2], [9, 9, -9, -9]])
    together = descended(torch.zeros(3, 4), 4, _apart(target, 1.0))
    for item in range(3):
        one = slice(item, item + 1)
        alone = descended(torch.zeros(1, 4), 4, _apart(target[one], 1.0))
        assert torch.equal(together[one], alone)


def test_where_nothing_gains_nothing_moves_and_one_look_is_enough() -> None:
    seen: list[Tensor] = []
    start = torch.tensor([[1.0, 2.0], [0.0, -1.0]])
    found = descended(start, 3, _apart(start + 0.4, seen=seen))
    assert torch.equal(found, start) and len(seen) == 1
    assert descended(start, 0, _apart(start + 5)) is start
