"""What holds for every learned prior: steps equal the parallel pass, nothing sees what follows."""

import numpy as np
import pytest
import torch
from torch import nn

from bench.entropy.prior import Group, MapDecoder, MapEncoder
from bench.learned.vqvae2.blocktransformer import BlockTransformer
from bench.learned.vqvae2.pixelsnail import PixelSnail
from bench.learned.vqvae2.prior import PriorShape

SHAPE = (2, 6, 10)  # neither is a whole number of blocks
KINDS = [
    (kind, vectors, conditional)
    for kind in ("pixelsnail", "transformer")
    for vectors in (False, True)
    for conditional in (False, True)
]
every_kind = pytest.mark.parametrize(("kind", "vectors", "conditional"), KINDS)


def _model(kind: str, vectors: bool, conditional: bool, codes: int = 19) -> nn.Module:
    torch.manual_seed(0)
    shape = PriorShape(codes, 6, vectors, conditional)
    if kind == "pixelsnail":
        return PixelSnail(shape, channels=12, blocks=2).double().eval()
    return BlockTransformer(shape, width=16, layers=2, heads=2, local=12).double().eval()


def _maps(size: tuple[int, int, int] = SHAPE) -> torch.Tensor:
    return torch.randint(19, size, generator=torch.Generator().manual_seed(1))


def _above(conditional: bool) -> torch.Tensor | None:
    return _maps((2, 3, 5)) if conditional else None


@every_kind
def test_steps_equal_the_parallel_pass(kind: str, vectors: bool, conditional: bool) -> None:
    model, maps, above = _model(kind, vectors, conditional), _maps(), _above(conditional)
    with torch.no_grad():
        expected = model(maps, above).numpy()
    stepper = model.stepper(SHAPE, above)
    coded = np.zeros(SHAPE[1:], int)
    for step, (rows, columns) in enumerate(stepper.order):
        coded[rows, columns] += 1
        found = stepper.logits(step)
        np.testing.assert_allclose(found, expected[:, rows, columns], atol=1e-12)
        stepper.write(step, maps[:, rows, columns].numpy())
    assert (coded == 1).all()


@every_kind
def test_no_group_sees_itself_or_what_follows(kind: str, vectors: bool, conditional: bool) -> None:
    model, maps, above = _model(kind, vectors, conditional), _maps(), _above(conditional)
    order = model.stepper(SHAPE, above).order
    with torch.no_grad():
        for step in range(0, len(order), 5):
            changed = maps.clone()
            changed[:, *order[step]] = (changed[:, *order[step]] + 1) % 19
            moved = (model(maps, above) - model(changed, above)).abs().sum((0, 3)) > 0
            for rows, columns in order[: step + 1]:
                assert not moved[rows, columns].any()
            assert step + 1 == len(order) or moved.any()


@pytest.mark.parametrize("kind", ["pixelsnail", "transformer"])
@pytest.mark.parametrize("size", [(1, 1, 1), (1, 17, 1), (1, 9, 3), (2, 2, 13)])
def test_maps_of_any_size(kind: str, size: tuple[int, int, int]) -> None:
    """On narrow maps some wavefronts hold no position."""
    model, maps = _model(kind, False, False), _maps(size).numpy()
    encoder = MapEncoder()
    encoder.encode(model.stepper(size, None), maps)
    decoded = MapDecoder(encoder.finish()).decode(NaiveStepper(model, size, None), size)
    np.testing.assert_array_equal(decoded, maps)


@pytest.mark.parametrize("kind", ["pixelsnail", "transformer"])
def test_the_bottom_prior_sees_the_level_above(kind: str) -> None:
    model, maps, above = _model(kind, False, True), _maps(), _maps((2, 3, 5))
    changed = above.clone()
    changed[:, 1, 2] = (changed[:, 1, 2] + 1) % 19
    with torch.no_grad():
        moved = (model(maps, above) - model(maps, changed)).abs().sum((0, 3)) > 0
    assert moved[2:4, 4:6].all()


@pytest.mark.parametrize("kind", ["pixelsnail", "transformer"])
def test_the_codebook_is_not_trained_as_input(kind: str) -> None:
    model = _model(kind, True, True)
    trained = {name for name, each in model.named_parameters() if each.requires_grad}
    assert not {"input.weight", "condition.input.weight"} & trained
    assert "first.linear.weight" in trained or "first.weight" in trained


@every_kind
def test_naive_decoder_reads_the_same_stream(kind: str, vectors: bool, conditional: bool) -> None:
    """The stream of the cached encoder, decoded by full forward passes and by the cached one."""
    model, maps, above = _model(kind, vectors, conditional), _maps().numpy(), _above(conditional)
    encoder = MapEncoder()
    encoder.encode(model.stepper(SHAPE, above), maps)
    stream = encoder.finish()
    cached = MapDecoder(stream).decode(model.stepper(SHAPE, above), SHAPE)
    naive = MapDecoder(stream).decode(NaiveStepper(model, SHAPE, above), SHAPE)
    np.testing.assert_array_equal(cached, maps)
    np.testing.assert_array_equal(naive, maps)
    assert 8 * len(stream) == pytest.approx(encoder.bits, abs=48)


class NaiveStepper:
    """A full forward pass for every group of positions."""

    def __init__(
        self, model: nn.Module, size: tuple[int, int, int], above: torch.Tensor | None
    ) -> None:
        self.model, self.above = model, above
        self.maps = torch.zeros(size, dtype=torch.long)
        self.order: list[Group] = model.stepper(size, above).order

    def logits(self, step: int) -> np.ndarray:
        rows, columns = self.order[step]
        with torch.no_grad():
            return self.model(self.maps, self.above)[:, rows, columns].numpy()

    def write(self, step: int, indices: np.ndarray) -> None:
        rows, columns = self.order[step]
        self.maps[:, rows, columns] = torch.from_numpy(indices)


@pytest.mark.parametrize("kind", ["pixelsnail", "transformer"])
def test_a_fitted_prior_beats_uniform_indices(kind: str) -> None:
    """Stripes: each index repeats the one above it."""
    model = _model(kind, False, False, codes=8).float().train()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(80):
        maps = torch.randint(8, (8, 1, 8)).expand(8, 8, 8)
        loss = torch.nn.functional.cross_entropy(model(maps).flatten(0, 2), maps.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    maps = torch.randint(8, (1, 1, 8)).expand(1, 8, 8).numpy()
    encoder = MapEncoder()
    encoder.encode(model.double().eval().stepper((1, 8, 8), None), maps)
    # the first row costs 3 bits an index, the others next to nothing
    assert encoder.bits < 8 * 3 * 2 < 8 * 8 * 3
