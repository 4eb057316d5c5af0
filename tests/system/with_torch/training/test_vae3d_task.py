"""The training task of ``vae3d``: its clips, its loss, and a few steps from card to coded clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scenes import scene

from bench.learned.training.request import TrainRequest, train
from bench.learned.vae3d.codec import Vae3dCodec
from bench.learned.vae3d.motion import MotionClips
from bench.learned.vae3d.network import LAMBDAS
from bench.learned.vae3d.task import trade_off
from bench.records import Point
from bench.signals import clip
from tests.cards import changed_card

SIZE = 32


@pytest.fixture
def data(drawn_data: Path) -> Path:
    return drawn_data


def test_windows_are_repeatable_and_move(data: Path) -> None:
    clips, held_out = MotionClips.open(data, size=SIZE)
    first, again = (clips.windows(np.random.default_rng(5), 8, SIZE, 7) for _ in range(2))
    assert first.shape == (8, 3, 7, SIZE, SIZE) and torch.equal(first, again)
    changes = (first[:, :, 1:].float() - first[:, :, :-1]).abs().mean((1, 2, 3, 4))
    # every even clip is of the video, in which all moves
    assert (changes[::2] > 1).all() and changes.max() < 60
    assert (len(clips.videos[0]), len(held_out.videos[0])) == (39, 21)
    assert not held_out.pictures


def test_a_pan_shifts_what_it_shows(data: Path) -> None:
    clips, _ = MotionClips.open(data, size=SIZE)
    still, moving = 0, 0
    for seed in range(20):
        window = clips._pan(np.random.default_rng(seed), SIZE, 7).astype(float)
        change = np.abs(window[6] - window[0]).mean()
        still += change < 2
        moving += change > 4
    assert still >= 2 and moving >= 5


def test_the_trade_off_is_the_ladder() -> None:
    found = trade_off(torch.tensor([0, len(LAMBDAS) - 1]))
    assert found.tolist() == pytest.approx([LAMBDAS[0] * 1e-6, LAMBDAS[-1] * 1e-6])


def test_it_trains_and_codes(tmp_path: Path, data: Path) -> None:
    card = changed_card(
        tmp_path, "vae3d", ("size = 96", f"size = {SIZE}"), ("batch = 4", "batch = 2")
    )
    request = TrainRequest(steps=3, work=tmp_path / "work", data=data, threads=1)
    assert f"psnr_{LAMBDAS[-1]}" in train(card, request)
    codec = Vae3dCodec(card)
    frames = np.stack([np.roll(scene(9), -2 * time, 1)[:SIZE, :SIZE] for time in range(7)])
    encoded = codec.encode(clip(frames), Point("lambda", LAMBDAS[-1]))
    decoded = codec.decode(encoded.payload).array()
    assert -10 * np.log10(np.mean((decoded / 255 - frames / 255) ** 2)) > 22
    assert encoded.bits_likelihood is not None and encoded.bits_estimated is not None
