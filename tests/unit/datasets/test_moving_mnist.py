"""Moving MNIST: the generator's motion and determinism, official against generated, bad files."""

from __future__ import annotations

import gzip
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import DataFile, DatasetCard, load_registry
from bench.datasets import moving_mnist
from bench.datasets.base import DataOptions
from bench.datasets.moving_mnist import MovingMnist, generate
from bench.errors import DataError

_DIGITS = np.random.default_rng(0).integers(1, 256, (10, 28, 28), dtype=np.uint8)


@pytest.fixture
def toy_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with ten digits that stand in for MNIST's test images."""
    content = bytes(16) + _DIGITS.tobytes()
    monkeypatch.setitem(moving_mnist._MD5, "test", hashlib.md5(content).hexdigest())
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(content))
    return tmp_path


def _card(md5: str = "0" * 32) -> DatasetCard:
    file = DataFile("mnist_test_seq.npy", "http://127.0.0.1:9/mnist_test_seq.npy", None, md5)
    return DatasetCard("moving-mnist", Path("datasets/moving-mnist.toml"), "Moving MNIST", "a:b",
                       "video", files=(file,), folders=("mnist",))  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 20_000))
def test_digits_stay_inside_and_move_by_a_step(seed: int, index: int) -> None:
    one = np.full((1, 28, 28), 200, np.uint8)
    frames = generate(one, seed, index, count=1, frames=30)
    corners = []
    for frame in frames:
        rows, columns = np.nonzero(frame)
        assert len(rows) == 28 * 28  # whole, never cut off by a wall
        corners.append((rows.min(), columns.min()))
    steps = np.abs(np.diff(np.array(corners), axis=0))
    assert steps.max() <= 4  # 0.1 of the 36 pixels of room, rounded down
    assert steps.sum() > 0


def test_overlap_takes_the_brighter_sample() -> None:
    two = np.stack([np.full((28, 28), 100, np.uint8), np.full((28, 28), 220, np.uint8)])
    values = {value for index in range(20) for value in np.unique(generate(two, 1, index))}
    assert values == {0, 100, 220}


def test_clips_depend_on_seed_and_index_only() -> None:
    clip = generate(_DIGITS, 2015, 7)
    assert clip.shape == (20, 64, 64)
    # golden hash: the clips behind published results must never change
    assert hashlib.sha256(clip.tobytes()).hexdigest()[:16] == "2197cd9e472d59f2"
    assert np.array_equal(clip, generate(_DIGITS, 2015, 7))
    assert not np.array_equal(clip, generate(_DIGITS, 2015, 8))
    assert not np.array_equal(clip, generate(_DIGITS, 2016, 7))


def test_generated_clips_are_called_generated(toy_folder: Path) -> None:
    loader = MovingMnist(_card(), {"seed": 3}, DataOptions(toy_folder, limit=4))
    items = loader.items()
    assert [item.name for item in items][:2] == ["generated-00000", "generated-00001"]
    assert len({item.digest for item in items}) == len(items) == 4
    assert "not the official" in loader.notes()[0]
    again = pickle.loads(pickle.dumps(loader))
    assert len(pickle.dumps(loader)) < 2000  # workers get paths, not digits
    assert np.array_equal(again.load(items[2]).array(), generate(_DIGITS, 3, 2))


def test_clips_of_three_digits_are_generated_and_other_items(toy_folder: Path) -> None:
    three = {"source": "generated", "seed": 3, "digits": 3}
    loader = MovingMnist(_card(), three, DataOptions(toy_folder, limit=2))
    two = MovingMnist(_card(), {**three, "digits": 2}, DataOptions(toy_folder, limit=2))
    items = loader.items()
    assert np.array_equal(loader.load(items[1]).array(), generate(_DIGITS, 3, 1, count=3))
    assert "2 sequences of 3 digits" in loader.notes()[0]
    assert {item.digest for item in items}.isdisjoint(item.digest for item in two.items())
    with pytest.raises(DataError, match="official sequences have 2 digits"):
        MovingMnist(_card(), {"digits": 3}, DataOptions(toy_folder))
    with pytest.raises(DataError, match="digits 0 is below 1"):
        MovingMnist(_card(), {**three, "digits": 0}, DataOptions(toy_folder))


def test_the_official_file_is_preferred_and_checked(toy_folder: Path) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (20, 3, 64, 64), dtype=np.uint8)
    path = toy_folder / "mnist_test_seq.npy"
    np.save(path, frames)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    loader = MovingMnist(_card(md5), {}, DataOptions(toy_folder, limit=3))
    assert "official mnist_test_seq.npy" in loader.notes()[0]
    assert np.array_equal(loader.load(loader.items()[1]).array(), frames[:, 1])
    generated = MovingMnist(_card(md5), {"source": "generated"}, DataOptions(toy_folder, limit=3))
    assert "not the official" in generated.notes()[0]
    with pytest.raises(DataError, match="not the official 0000"):
        MovingMnist(_card(), {}, DataOptions(toy_folder))


def test_missing_and_foreign_digits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not found in .*bench fetch moving-mnist"):
        MovingMnist(_card(), {}, DataOptions(tmp_path))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(800)))
    with pytest.raises(DataError, match="md5 of its content"):
        MovingMnist(_card(), {}, DataOptions(tmp_path))
    (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(b"\x1f\x8b truncated")
    with pytest.raises(DataError, match=r"cannot be read.*fetch it again"):
        MovingMnist(_card(), {}, DataOptions(tmp_path))


def test_real_digits(bench_data: Path) -> None:
    card = load_registry().dataset("moving-mnist")
    loader = MovingMnist(card, {"source": "generated"}, DataOptions(bench_data, limit=2))
    frames = loader.load(loader.items()[0]).array()
    assert frames.shape == (20, 64, 64)
    assert 0.02 < (frames > 128).mean() < 0.12  # two thin strokes on black
