import numpy as np
import pytest
import torch

from bench.entropy.prior import MapDecoder, MapEncoder
from bench.models.pixelsnail import PixelSnail, PriorShape


def _model(*, vectors: bool = False, conditional: bool = False, codes: int = 19) -> PixelSnail:
    torch.manual_seed(0)
    model = PixelSnail(PriorShape(codes, 6, vectors, conditional), channels=12, blocks=2)
    model.use_codebook(torch.randn(codes, 6))
    return model.double().eval()


def _maps(codes: int = 19, size: tuple[int, int, int] = (2, 6, 8)) -> torch.Tensor:
    return torch.randint(codes, size, generator=torch.Generator().manual_seed(1))


KINDS = [(False, False), (True, False), (False, True), (True, True)]


@pytest.mark.parametrize(("vectors", "conditional"), KINDS)
def test_stepper_equals_the_parallel_pass(vectors: bool, conditional: bool) -> None:
    model, maps = _model(vectors=vectors, conditional=conditional), _maps()
    above = _maps(size=(2, 3, 4)) if conditional else None
    with torch.no_grad():
        expected = model(maps, above).numpy()
    stepper = model.stepper((2, 6, 8), above)
    for row, column in stepper.order:
        found = stepper.logits(row, column)
        np.testing.assert_allclose(found, expected[:, row, column], atol=1e-12)
        stepper.write(row, column, maps[:, row, column].numpy())


@pytest.mark.parametrize("conditional", [False, True])
def test_no_position_sees_itself_or_what_follows(conditional: bool) -> None:
    model, maps = _model(conditional=conditional), _maps()
    above = _maps(size=(2, 3, 4)) if conditional else None
    changed = maps.clone()
    changed[:, 3, 4] = (changed[:, 3, 4] + 1) % 19
    with torch.no_grad():
        moved = (model(maps, above) - model(changed, above)).abs().sum((0, 3)) > 0
    flat = moved.flatten()
    assert not flat[: 3 * 8 + 5].any()
    assert flat[3 * 8 + 5]


def test_attention_reaches_the_whole_past() -> None:
    model, maps = _model(), _maps(size=(1, 24, 8))
    changed = maps.clone()
    changed[0, 0, 0] = (changed[0, 0, 0] + 1) % 19
    with torch.no_grad():
        moved = (model(maps) - model(changed)).abs().sum(-1)
    # 4 layers of 2 rows reach 5 rows down; only attention reaches the last
    assert moved[0, -1].max() > 0


def test_the_codebook_is_not_trained_as_input() -> None:
    trained = {name for name, each in _model(vectors=True).named_parameters() if each.requires_grad}
    assert "embedding.weight" not in trained
    assert "first.linear.weight" in trained


@pytest.mark.parametrize("conditional", [False, True])
def test_naive_decoder_reads_the_same_stream(conditional: bool) -> None:
    """The stream of the cached encoder, decoded by full forward passes and by the cached one."""
    model, maps = _model(conditional=conditional), _maps().numpy()
    above = _maps(size=(2, 3, 4)) if conditional else None
    encoder = MapEncoder()
    encoder.encode(model.stepper((2, 6, 8), above), maps)
    stream = encoder.finish()
    cached = MapDecoder(stream).decode(model.stepper((2, 6, 8), above), (2, 6, 8))
    naive = MapDecoder(stream).decode(NaiveStepper(model, 2, 6, 8, above), (2, 6, 8))
    np.testing.assert_array_equal(cached, maps)
    np.testing.assert_array_equal(naive, maps)
    assert 8 * len(stream) == pytest.approx(encoder.bits, abs=48)


class NaiveStepper:
    """A full forward pass for every position."""

    def __init__(
        self, model: PixelSnail, batch: int, height: int, width: int, above: torch.Tensor | None
    ) -> None:
        self.model, self.above = model, above
        self.maps = torch.zeros(batch, height, width, dtype=torch.long)
        self.order = [(row, column) for row in range(height) for column in range(width)]

    def logits(self, row: int, column: int) -> np.ndarray:
        with torch.no_grad():
            return self.model(self.maps, self.above)[:, row, column].numpy()

    def write(self, row: int, column: int, indices: np.ndarray) -> None:
        self.maps[:, row, column] = torch.from_numpy(indices)


def test_a_fitted_prior_beats_uniform_indices() -> None:
    """Stripes: each index repeats the one above it."""
    torch.manual_seed(0)
    model = PixelSnail(PriorShape(8, 4, False, False), channels=16, blocks=1)
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(60):
        maps = torch.randint(8, (8, 1, 8)).expand(8, 8, 8)
        loss = torch.nn.functional.cross_entropy(model(maps).flatten(0, 2), maps.flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    maps = torch.randint(8, (1, 1, 8)).expand(1, 8, 8).numpy()
    encoder = MapEncoder()
    encoder.encode(model.double().stepper((1, 8, 8), None), maps)
    # the first row costs 3 bits an index, the others next to nothing
    assert encoder.bits < 8 * 3 * 2 < 8 * 8 * 3
