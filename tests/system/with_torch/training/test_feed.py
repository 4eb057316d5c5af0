"""Batches made ahead are those that the training would have made itself; options are typed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bench.errors import CardError, DataError
from bench.learned.training.feed import default_workers, feed, generators, to_device
from bench.learned.training.options import Options


class Numbers:
    """Batches of all kinds of values; those after step 6 are missing."""

    def batch(self, step, rng):
        if step > 6:
            raise DataError(f"no batch {step}")
        return step, {"noise": torch.from_numpy(rng.standard_normal(3))}, [torch.full((2,), step)]


CPU = torch.device("cpu")


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_a_function_of_seed_and_step(workers):
    found = list(feed(Numbers(), 5, range(2, 6), CPU, workers))
    assert [each[0] for each in found] == [2, 3, 4, 5]
    for step, noise, place in found:
        expected = generators(5, step)[1].standard_normal(3)
        assert np.array_equal(noise["noise"], expected) and place[0].tolist() == [step, step]
    (other,) = feed(Numbers(), 6, range(2, 3), CPU, workers)
    assert not torch.equal(other[1]["noise"], found[0][1]["noise"])


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_an_error_of_a_batch_is_raised_as_it_is(workers):
    batches = feed(Numbers(), 0, range(6, 9), CPU, workers)
    assert next(batches)[0] == 6
    with pytest.raises(DataError, match=r"^no batch 7$"):
        next(batches)


def test_the_loader_draws_nothing_from_torchs_generator():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    next(feed(Numbers(), 0, range(3), CPU))
    assert torch.equal(torch.rand(2), expected)


def test_tensors_at_any_depth_are_moved():
    moved = to_device([(1, torch.ones(2)), {"a": torch.ones(1)}, "word"], torch.device("meta"))
    assert moved[0][0] == 1 and moved[2] == "word"
    assert moved[0][1].device.type == moved[1]["a"].device.type == "meta"


def test_a_cpu_makes_its_batches_itself_and_a_gpu_does_not():
    assert default_workers(CPU) == 0
    assert default_workers(torch.device("cuda")) >= 1


def test_options_are_typed():
    options = Options("codecs/x.toml [training].options", {"a": 3, "b": 0.5, "c": True, "d": "top",
                                                           "e": {"width": 4}})  # fmt: skip
    assert (options.whole("a"), options.number("a"), options.number("b")) == (3, 3.0, 0.5)
    assert options.flag("c") and not options.flag("missing") and options.whole("missing", 7) == 7
    assert options.word("d", ("top", "bottom")) == "top"
    assert (options.sizes("e"), options.sizes("missing")) == ({"width": 4}, {})
    for wrong in (
        lambda: options.whole("b"),
        lambda: options.whole("c"),
        lambda: options.number("d"),
        lambda: options.flag("a"),
        lambda: options.word("d", ("left",)),
        lambda: options.sizes("a"),
        lambda: options.number("missing"),
    ):
        with pytest.raises(CardError, match=r"codecs/x\.toml \[training\]\.options: "):
            wrong()
