"""The CIFAR-10 reader on small made-up batches, and on the real files where they are."""

from __future__ import annotations

import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry
from bench.datasets.base import DataOptions
from bench.datasets.cifar import CifarTest, read_cifar
from bench.errors import CardError, DataError


def _batch(count: int, seed: int = 0) -> tuple[bytes, np.ndarray]:
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (count, 3072), np.uint8)
    labels = rng.integers(0, 10, (count, 1), np.uint8)
    pictures = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.concatenate([labels, pixels], axis=1).tobytes(), pictures


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inside = tmp_path / "cifar-10-batches-bin"
    inside.mkdir()
    (inside / "data_batch_1.bin").write_bytes(_batch(7, 1)[0])
    (inside / "data_batch_2.bin").write_bytes(_batch(5, 2)[0])
    (inside / "test_batch_part.bin").write_bytes(_batch(10, 3)[0])
    return tmp_path


def test_binary_batches_are_read_in_order_and_counted(folder):
    train = read_cifar([folder], "train")
    assert np.array_equal(train.pixels[:7], _batch(7, 1)[1])
    assert np.array_equal(train.pixels[7:], _batch(5, 2)[1])
    assert "only 12 of 50000" in train.note
    test = read_cifar([folder / "cifar-10-batches-bin"], "test")
    assert np.array_equal(test.pixels, _batch(10, 3)[1]) and "n = 10" in test.note


def test_an_archive_is_read_without_unpacking(tmp_path, folder):
    with tarfile.open(tmp_path / "cifar-10-binary.tar.gz", "w:gz") as archive:
        archive.add(folder / "cifar-10-batches-bin", "cifar-10-batches-bin")
    other = tmp_path / "other"
    other.mkdir()
    (tmp_path / "cifar-10-binary.tar.gz").rename(other / "cifar-10-binary.tar.gz")
    assert np.array_equal(read_cifar([other], "test").pixels, _batch(10, 3)[1])
    cut = (other / "cifar-10-binary.tar.gz").read_bytes()[:-2000]
    (other / "cifar-10-binary.tar.gz").write_bytes(cut)
    with pytest.raises(DataError, match="truncated, damaged or not an archive"):
        read_cifar([other], "test")


def _python_folder(tmp_path: Path, content: bytes) -> Path:
    inside = tmp_path / "cifar-10-batches-py"
    inside.mkdir()
    (inside / "test_batch").write_bytes(content)
    return tmp_path


def test_python_batches_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("bench.datasets.cifar._MD5", {})
    raw, pictures = _batch(4)
    data = np.frombuffer(raw, np.uint8).reshape(4, 3073)[:, 1:]
    content = pickle.dumps({b"data": data, b"labels": [1, 2, 3, 4]}, protocol=2)
    assert np.array_equal(read_cifar([_python_folder(tmp_path, content)], "test").pixels, pictures)


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x02", b"junk", pickle.dumps({b"data": _Evil()}), pickle.dumps({b"data": 3}),
     pickle.dumps({}), pickle.dumps({b"data": np.zeros((2, 5), np.uint8)})],
)  # fmt: skip
def test_a_hostile_or_broken_pickle_is_refused_and_never_run(
    tmp_path, monkeypatch, capsys, content
):
    monkeypatch.setattr("bench.datasets.cifar._MD5", {})
    with pytest.raises(DataError, match="test_batch"):
        read_cifar([_python_folder(tmp_path, content)], "test")
    assert "executed" not in capsys.readouterr().out


def test_a_changed_official_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="md5"):
        read_cifar([_python_folder(tmp_path, b"anything")], "test")


def test_broken_binary_files_are_named(folder):
    path = folder / "cifar-10-batches-bin" / "test_batch_part.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"test_batch_part\.bin.*truncated"):
        read_cifar([folder], "test")
    path.write_bytes(bytes([77]) + bytes(3072))
    with pytest.raises(DataError, match="label 77"):
        read_cifar([folder], "test")


def test_missing_data_say_where_they_were_looked_for(tmp_path):
    with pytest.raises(DataError, match="bench fetch cifar10"):
        read_cifar([tmp_path], "test")


def _loader(folder: Path, **settings) -> CifarTest:
    card = load_registry().dataset("cifar10")
    limit = settings.pop("limit", None)
    return CifarTest(card, {**card.settings, **settings}, DataOptions(root=folder, limit=limit))


def test_items_are_single_pictures_or_batches(folder):
    loader = pickle.loads(pickle.dumps(_loader(folder)))
    assert [item.name for item in loader.items()][-1] == "test00009"
    assert np.array_equal(loader.load(loader.items()[4]).array()[0], _batch(10, 3)[1][4])
    batches = _loader(folder, per_item=4)
    assert [item.name for item in batches.items()] == ["batch000", "batch001"]
    signal = batches.load(batches.items()[1])
    assert signal.layout == batches.items()[1].layout and signal.layout.frames == 4
    assert np.array_equal(signal.array(), _batch(10, 3)[1][4:8])
    assert "the last 2 images" in batches.notes()[1]
    assert len(_loader(folder, limit=3).items()) == 3


def test_bad_batch_sizes_are_refused(folder):
    with pytest.raises(CardError, match="per_item"):
        _loader(folder, per_item=0)
    with pytest.raises(DataError, match="fewer than the 11"):
        _loader(folder, per_item=11)


def test_the_real_files_are_byte_exact(bench_data):
    test = read_cifar([bench_data], "test")
    # first test image of CIFAR-10 (a cat): its first and last pixel
    assert test.pixels[0, 0, 0].tolist() == [158, 112, 49]
    assert test.pixels[0, -1, -1].tolist() == [21, 67, 110]
    assert f"n = {len(test.pixels)}" in test.note
