"""Training pools: crops, digests and refused test pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataError
from bench.training.data import Pool, training_clips, training_images


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "train" / "images"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, shape in (("a.png", (40, 60)), ("b.jpg", (30, 20))):
        Image.fromarray(rng.integers(0, 255, (*shape, 3), np.uint8)).save(folder / name)
    return tmp_path


def test_images_are_shrunk_and_small_ones_left_out(root):
    pool = training_images(root, longest=30, shortest=20)
    assert [clip.shape for clip in pool.clips] == [(1, 20, 30, 3), (1, 30, 20, 3)]
    assert len(training_images(root, shortest=25).clips) == 1


def test_crops_are_repeatable_and_of_the_asked_shape(root):
    pool = training_images(root)
    first, again = (pool.crops(np.random.default_rng(3), 5, 16) for _ in range(2))
    assert first.shape == (5, 1, 3, 16, 16) and bool((first == again).all())
    assert bool((pool.crops(np.random.default_rng(4), 5, 16) != first).any())


def test_every_crop_lies_in_a_clip_and_half_are_mirrored():
    ramp = np.broadcast_to(np.arange(32, dtype=np.uint8)[None, None, :, None], (4, 32, 32, 3))
    crops = Pool((ramp,), "").crops(np.random.default_rng(0), 200, 8, frames=3)
    steps = crops[:, 0, 0, 0, 1].int() - crops[:, 0, 0, 0, 0].int()
    assert set(steps.tolist()) == {1, -1} and 60 < int((steps == 1).sum()) < 140


def test_a_crop_larger_than_all_pictures_is_refused(root):
    with pytest.raises(DataError, match="64×64"):
        training_images(root).crops(np.random.default_rng(0), 1, 64)


def test_a_kodak_picture_among_the_training_data_is_refused(root):
    (root / "train" / "images" / "kodim07.png").write_bytes(b"")
    with pytest.raises(DataError, match="kodim07"):
        training_images(root)


def test_a_broken_picture_or_missing_folder_is_named(root):
    (root / "train" / "images" / "c.png").write_bytes(b"x")
    with pytest.raises(DataError, match=r"c\.png"):
        training_images(root)
    with pytest.raises(DataError, match="video"):
        training_clips(root)


def test_the_digest_changes_with_the_content(root):
    before = training_images(root).digest
    Image.fromarray(np.zeros((30, 20, 3), np.uint8)).save(root / "train" / "images" / "b.jpg")
    assert training_images(root).digest != before
