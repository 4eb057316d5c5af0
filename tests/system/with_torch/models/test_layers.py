"""Layers that move: objects come apart, hide one another and come out again."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.learned.qcae_rd.layers import (
    CELL,
    MOST,
    REACH,
    Motion,
    corrected,
    moved,
    placed,
    started,
    visible,
)
from bench.learned.qcae_rd.motion_model import CELL_ROWS, MotionModel, cell_row, neighbours
from bench.learned.qcae_rd.motion_search import estimate, layer_count

WORTH = torch.tensor([200.0])


def _texture(seed: int, side: int) -> Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(0.3 + 0.7 * rng.random((side, side)))


def _clip(*paths: tuple[int, int, int, int], frames: int = 12, size: int = 32) -> Tensor:
    """Textured squares, each from a place with a velocity, ``(T, 1, H, W)``."""
    result = torch.zeros(frames, 1, size, size, dtype=torch.float64)
    for number, (row, column, down, right) in enumerate(paths):
        texture = _texture(number, 7)
        for time, frame in enumerate(result[:, 0]):
            y, x = row + down * time, column + right * time
            window = frame[y : y + 7, x : x + 7]
            torch.maximum(window, texture, out=window)
    return result


def _errors(frames: Tensor, count: int) -> list[float]:
    """Squared error of each prediction from originals."""
    layers, motion, errors = started(frames[:1], count), None, []
    for frame in frames[1:, None]:
        motion = estimate(layers, frame, motion, WORTH)
        there = placed(layers, motion)
        errors.append(float((there.amax(1) - frame[:, 0]).square().sum()))
        layers = corrected(there, frame)
    return errors


def test_layers_move_by_their_vectors_over_zeros() -> None:
    layers = torch.rand(2, 2, 8, 12, dtype=torch.float64)
    down, right = 3, -2
    vectors = torch.tensor([[[REACH, REACH], [REACH + down, REACH + right]]] * 2)
    found = moved(layers, vectors)
    assert torch.equal(found[:, 0], layers[:, 0])
    assert torch.equal(found[:, 1, down:, :right], layers[:, 1, :-down, -right:])
    assert found[:, 1, :down].abs().max() == 0 and found[:, 1, :, right:].abs().max() == 0


def test_a_decoded_frame_corrects_what_is_seen_and_leaves_what_is_hidden() -> None:
    """Cell by cell: the brightest, which was wrong; hidden; brighter than the frame; new."""
    there = torch.tensor([[[[0.8, 0.8, 0.7, 0.0]], [[0.2, 0.3, 0.6, 0.0]]]])
    frame = torch.tensor([[[[0.9, 0.5, 0.1, 0.4]]]])
    expected = torch.tensor([[[[0.9, 0.5, 0.1, 0.4]], [[0.2, 0.3, 0.1, 0.4]]]])
    assert torch.equal(corrected(there, frame), expected)


def test_objects_that_cross_are_predicted_without_error_once_they_are_apart() -> None:
    frames = _clip((2, 1, 1, 2), (14, 1, -1, 2))
    apart = _clip((2, 1, 1, 2))[:, 0] * _clip((14, 1, -1, 2))[:, 0]
    assert apart.amax((1, 2)).nonzero().flatten().tolist() == [3, 4, 5, 6, 7, 8, 9]
    assert max(_errors(frames, 2)[1:]) == 0
    assert min(_errors(frames, 1)[1:]) > 1


def test_a_layer_comes_out_again_as_it_went_in() -> None:
    """A brighter object hides all of a darker one in frame 9, and shows it again after."""
    frames = torch.zeros(14, 1, 48, 48, dtype=torch.float64)
    dark, bright = 0.4 * _texture(0, 4), torch.full((8, 8), 0.9, dtype=torch.float64)
    for time, frame in enumerate(frames[:, 0]):
        frame[20:24, 2 + 2 * time :][:, :4] = dark
        frame[2 + 2 * time :, 11 + time :][:8, :8] = bright
    assert float(frames[9].max()) == float(frames[9][frames[9] > 0].min()) == 0.9
    errors = _errors(frames, 2)
    assert max(errors[5:]) == 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_layers_are_counted(count: int) -> None:
    paths = [(2, 2, 1, 1), (20, 3, -1, 2), (12, 20, 0, -1)][:count]
    assert layer_count(_clip(*paths)) == count


def test_a_still_clip_is_one_layer() -> None:
    assert layer_count(_clip((3, 3, 0, 0), (20, 10, 0, 0))) == 1
    assert layer_count(torch.zeros(1, 1, 8, 8)) == 1


def test_cells_are_told_where_they_are_worth_their_bits() -> None:
    """In the first prediction both layers are the whole frame; told apart, each shows its own."""
    frames = _clip((2, 1, 2, 1), (20, 4, -1, 3), frames=3)
    layers = started(frames[:1], 2)
    told = estimate(layers, frames[1:2], None, WORTH)
    there = moved(layers, told.vectors)
    assert told.parted.all()
    assert not told.shown[visible(there)].all() and told.shown[~visible(there)].all()
    error = (placed(layers, told).amax(1) - frames[1]).square().sum()
    untold = (there.amax(1) - frames[1]).square().sum()
    assert error < 0.1 * untold
    cheap = estimate(layers, frames[1:2], None, torch.tensor([0.01]))
    assert not cheap.parted.any() and cheap.shown.all()


def test_each_item_of_a_batch_is_estimated_as_alone() -> None:
    clips = [
        _clip((2, 1, 2, 1), (20, 4, -1, 3), frames=5),
        _clip((20, 20, -1, -1), (3, 3, 3, 0), frames=5),
    ]
    batch = torch.stack(clips)
    before, layers = None, started(batch[:, 0], 2)
    alone: dict[int, Motion] = {}
    for time in range(1, 5):
        motion = estimate(layers, batch[:, time], before, WORTH.expand(2))
        for item in range(2):
            one = slice(item, item + 1)
            found = estimate(layers[one], batch[one, time], alone.get(item), WORTH)
            assert torch.equal(motion.vectors[one], found.vectors)
            assert torch.equal(motion.shown[one], found.shown)
            alone[item] = found
        layers = corrected(placed(layers, motion), batch[:, time])
        before = motion


def test_the_tables_of_motion_cost_what_the_model_says() -> None:
    torch.manual_seed(0)
    model = MotionModel()
    with torch.no_grad():
        for each in model.parameters():
            each.normal_(std=2)
    model.finalise()
    tables, sizes = model.tables.cumulative, model.tables.lengths
    logits = [*model.vectors, *model.cells, *model.partings, torch.zeros(MOST)]
    assert len(tables) == len(sizes) == len(logits)
    for row, size, table in zip(tables, sizes, logits, strict=True):
        assert size == len(table) + 2
        shares = np.diff(row[:size]) / 2**16
        expected = table.detach().softmax(0).numpy()
        assert shares[:-1] == pytest.approx(expected, abs=2e-4)
        assert shares[-1] <= 2e-5 + 2**-16


def test_neighbours_are_those_that_a_decoder_has() -> None:
    shown = torch.tensor([[[[True, False, True], [False, False, True]]]])
    coded = torch.tensor([[[[True, True, False], [False, True, True]]]])
    rows = neighbours(shown, coded) + CELL_ROWS
    states = {(0, 0): 1, (0, 1): 0, (1, 1): 0, (1, 2): 1}
    for row, column in states:
        beside = (states.get((row, column - 1)), states.get((row - 1, column)))
        assert int(rows[0, 0, row, column]) == cell_row(*beside)


def test_cells_cover_frames() -> None:
    assert visible(torch.ones(1, 2, 8, 12)).shape == (1, 2, 8 // CELL, 12 // CELL)
