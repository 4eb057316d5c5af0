"""Training pools: crops, digests and refused test pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataError
from bench.learned.training.data import Pool, held_out, training_clips, training_images


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


def test_a_kodak_picture_under_another_name_is_refused(root, bench_data):
    picture = (bench_data / "kodak" / "kodim07.png").read_bytes()
    (root / "train" / "images" / "window.png").write_bytes(picture)
    with pytest.raises(DataError, match=r"window\.png: a Kodak test picture"):
        training_images(root)


@pytest.fixture
def vimeo(root):
    """Two clips of one frame of the training list, and a test list that names neither."""
    base = root / "vimeo_septuplet"
    for clip in ("00001/0001", "00001/0002"):
        (base / "sequences" / clip).mkdir(parents=True)
        Image.new("RGB", (40, 30)).save(base / "sequences" / clip / "im1.png")
    (base / "sep_trainlist.txt").write_text("00001/0001\n00001/0002\n")
    (base / "sep_testlist.txt").write_text("00001/0266\n")
    return base


def test_a_clip_of_the_official_vimeo_test_list_is_refused(root, vimeo):
    assert len(training_images(root, vimeo=True).clips) == 4
    (vimeo / "sep_testlist.txt").write_text("00001/0266\n00001/0002\n")
    for read in (training_images, training_clips):
        (root / "train" / "video").mkdir(exist_ok=True)
        (root / "train" / "video" / "a.mp4").write_bytes(b"never read")
        with pytest.raises(DataError, match=r"clip 00001/0002 of sep_testlist\.txt"):
            read(root, vimeo=True)


@pytest.mark.parametrize(
    "name", ["00001/0266/im1.png", "vimeo/00001/0266/im7.png", "00001_0266_im3.png"]
)
def test_a_test_clip_among_other_pictures_is_refused(root, vimeo, name):
    path = root / "train" / "images" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (40, 30)).save(path)
    with pytest.raises(DataError, match=r"clip 00001/0266 of sep_testlist\.txt"):
        training_images(root)


def test_a_clip_of_a_suite_is_refused_although_no_official_list_has_it(root, vimeo):
    (vimeo / "sep_trainlist.txt").write_text("00002/0001\n")
    (vimeo / "sequences" / "00001").rename(vimeo / "sequences" / "00002")
    with pytest.raises(DataError, match="clip 00002/0001 of suite vimeo90k"):
        training_images(root, vimeo=True)


@pytest.mark.parametrize("name", ["sep_testlist.txt", "sep_trainlist.txt"])
def test_vimeo_clips_are_not_learned_from_without_both_lists(root, vimeo, name):
    (vimeo / name).unlink()
    with pytest.raises(DataError, match=name):
        training_images(root, vimeo=True)


def test_the_official_training_list_is_apart_from_what_is_measured(bench_data):
    base = bench_data / "vimeo_septuplet"
    if not (base / "sep_trainlist.txt").is_file():
        pytest.skip("needs vimeo_septuplet/sep_trainlist.txt")
    tested = held_out(bench_data)
    # 7,824 on the official list (Xue et al. 2019), and five clips of suites on neither list
    assert len(tested) == 7829
    assert not tested.keys() & {*(base / "sep_trainlist.txt").read_text().split()}


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
