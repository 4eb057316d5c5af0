"""Archives that are damaged or made to harm: refused in one line, and never measured otherwise."""

from __future__ import annotations

import gzip
import io
import pickle
import random
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.datasets import cifar, moving_mnist, vimeo, zipped
from bench.datasets.base import DataOptions
from bench.datasets.cifar import read_cifar
from bench.datasets.clips import PictureClip
from bench.datasets.moving_mnist import read_digits
from bench.datasets.sources import Refusal
from bench.datasets.vimeo import Vimeo90k
from bench.datasets.zipped import zip_members
from bench.errors import DataError

ROWS = np.random.default_rng(1).integers(0, 256, (3, 3072), np.uint8)
RECORDS = np.hstack([np.ones((3, 1), np.uint8), ROWS]).tobytes()
BATCH = pickle.dumps({b"data": ROWS, b"labels": [1, 2, 3]}, protocol=2)
BINARY, PYTHON = "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"
Members = Sequence[tuple[str, bytes]]


def tar_gz(members: Members) -> bytes:
    """A tar.gz with these members, as people pack CIFAR-10."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members:
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def zip_of(members: Members, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def png(width: int = vimeo.WIDTH, height: int = vimeo.HEIGHT) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), (7, 8, 9)).save(file, "PNG")
    return file.getvalue()


CLIP = [
    ("vimeo_septuplet/sep_testlist.txt", b"00001/0001\n"),
    ("vimeo_septuplet/sep_trainlist.txt", b"00002/0001\n"),
    *((f"vimeo_septuplet/sequences/00001/0001/im{n}.png", png()) for n in range(1, 8)),
]
DIGITS = bytes(16) + bytes(range(256)) * 98


def cifar_pixels(path: Path) -> bytes:
    return read_cifar([path.parent], "test").pixels.tobytes()


def vimeo_pixels(path: Path) -> bytes:
    loader = Vimeo90k(load_registry().dataset("vimeo90k"), {}, DataOptions(path))
    return b"".join(loader.load(item).array().tobytes() for item in loader.items())


def frame_pixels(path: Path) -> bytes:
    try:
        source = PictureClip(tuple(zip_members(path)))
        source.layout(), source.digest()
        return b"".join(frame.tobytes() for frame in source.frames())
    except (Refusal, OSError) as error:
        raise DataError(f"{path}: {error}") from error


def digit_pixels(path: Path) -> bytes:
    read_digits.cache_clear()
    return read_digits(path, "test").tobytes()


FRAMES = [(f"f{n}.png", png(16, 16)) for n in range(3)]
READERS: dict[str, tuple[str, bytes, Callable[[Path], bytes]]] = {
    "cifar, binary": (BINARY, tar_gz([("test_batch_1.bin", RECORDS)]), cifar_pixels),
    "cifar, python": (PYTHON, tar_gz([("test_batch_1", BATCH)]), cifar_pixels),
    "vimeo": ("vimeo_septuplet.zip", zip_of(CLIP), vimeo_pixels),
    "vimeo, stored": ("vimeo_septuplet.zip", zip_of(CLIP, zipfile.ZIP_STORED), vimeo_pixels),
    "frames": ("clip.zip", zip_of(FRAMES), frame_pixels),
    "digits": ("t10k-images-idx3-ubyte.gz", gzip.compress(DIGITS), digit_pixels),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _small_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    digest = moving_mnist.hashlib.md5(DIGITS).hexdigest()
    monkeypatch.setitem(moving_mnist._MD5, "test", digest)
    monkeypatch.setitem(moving_mnist._BYTES, "test", len(DIGITS))


def refused(path: Path, content: bytes, read: Callable[[Path], bytes]) -> str:
    """The line that refuses the archive; empty where it is read."""
    path.write_bytes(content)
    try:
        read(path)
    except DataError as error:
        assert "\n" not in str(error)
        return str(error)
    finally:
        path.unlink()
    return ""


@pytest.mark.parametrize("kind", READERS)
def test_damage_is_refused_or_changes_no_pixel(kind: str, tmp_path: Path) -> None:
    """Bits turned, bytes cut out, doubled and overwritten: 150 archives of each kind."""
    name, content, read = READERS[kind]
    path = tmp_path / name
    path.write_bytes(content)
    whole = read(path)
    generator = random.Random(kind)
    for _ in range(150):
        damaged = bytearray(content)
        at = generator.choice([generator.randrange(len(content)), -1 - generator.randrange(60)])
        match generator.randrange(4):
            case 0:
                damaged[at] ^= 1 << generator.randrange(8)
            case 1:
                del damaged[at : at + generator.randrange(1, 100) or None]
            case 2:
                damaged[at:at] = damaged[at : at + 50]
            case _:
                damaged[at : at + 8] = generator.randbytes(len(damaged[at : at + 8]))
        path.write_bytes(bytes(damaged))
        try:
            found = read(path)
        except DataError as error:
            assert "\n" not in str(error)
        else:
            assert found == whole, (at, len(damaged))


@pytest.mark.parametrize("place", [-8, -5, -4, -1])
def test_a_wrong_checksum_or_length_of_gzip_is_refused(place: int, tmp_path: Path) -> None:
    """CRC-32 and length are the last eight bytes (RFC 1952)."""
    for kind in ("cifar, binary", "cifar, python", "digits"):
        name, content, read = READERS[kind]
        # behind the end of a tar file programs may leave any number of zeros
        zeros = b"" if kind == "digits" else bytes(300_000)
        damaged = bytearray(gzip.compress(gzip.decompress(content) + zeros))
        assert not refused(tmp_path / name, bytes(damaged), read)
        damaged[place] ^= 1
        assert "CRC" in (said := refused(tmp_path / name, bytes(damaged), read)) or "length" in said


def test_members_that_are_there_twice_are_refused(tmp_path: Path) -> None:
    twice = tar_gz([("test_batch_1.bin", RECORDS), ("test_batch_1.bin", RECORDS[::-1])])
    assert "test_batch_1.bin twice" in refused(tmp_path / BINARY, twice, cifar_pixels)
    both = tar_gz([("test_batch_1.bin", RECORDS), ("test_batch_1", BATCH)])
    assert "keep one" in refused(tmp_path / BINARY, both, cifar_pixels)
    with pytest.warns(UserWarning, match="Duplicate name"):
        clip, frames = zip_of([*CLIP, CLIP[-1]]), zip_of([*FRAMES, FRAMES[0]])
    assert "2 times" in refused(tmp_path / "vimeo_septuplet.zip", clip, vimeo_pixels)
    assert "2 times" in refused(tmp_path / "clip.zip", frames, frame_pixels)


def test_what_unpacks_to_more_than_the_data_set_has_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limits are made small, so that nothing here is large. The name of a member is a member of
    its own, which tarfile reads whole."""
    monkeypatch.setattr(cifar, "_BATCH_BYTES", 20_000)
    monkeypatch.setattr(cifar, "_UNPACKED_BYTES", 50_000)
    path = tmp_path / BINARY
    large = tar_gz([("test_batch_1.bin", bytes(21_000))])
    assert "test_batch_1.bin has 21,000 bytes" in refused(path, large, cifar_pixels)
    behind = tar_gz([("test_batch_1.bin", RECORDS), ("more.bin", bytes(90_000))])
    assert "more than 50,000 bytes" in refused(path, behind, cifar_pixels)
    long_name = tar_gz([("n" * 90_000, b""), ("test_batch_1.bin", RECORDS)])
    assert "more than 50,000 bytes" in refused(path, long_name, cifar_pixels)
    monkeypatch.setattr(vimeo, "_PICTURE_BYTES", 5_000)
    monkeypatch.setattr(vimeo, "_LIST_BYTES", 100)
    path = tmp_path / "vimeo_septuplet.zip"
    bomb = zip_of([*CLIP[:-1], (CLIP[-1][0], bytes(10_000))])
    assert "too large a picture" in refused(path, bomb, vimeo_pixels)
    lists = zip_of([(CLIP[0][0], b"00001/0001\n" * 20), *CLIP[1:]])
    assert "more than any list" in refused(path, lists, vimeo_pixels)
    monkeypatch.setattr(zipped, "PICTURE_BYTES", 1_000)
    frames = zip_of([*FRAMES, ("f3.png", bytes(2_000))])
    assert "more than any picture" in refused(tmp_path / "clip.zip", frames, frame_pixels)
    digits = gzip.compress(DIGITS + bytes(10**6))
    read: list[int] = []
    monkeypatch.setattr(moving_mnist.gzip, "open", lambda path: _Counted(gzip.GzipFile(path), read))
    assert "md5" in refused(tmp_path / "t10k-images-idx3-ubyte.gz", digits, digit_pixels)
    assert read == [len(DIGITS) + 1]


class _Counted:
    def __init__(self, file: gzip.GzipFile, read: list[int]) -> None:
        self._file, self._read = file, read

    def __enter__(self) -> _Counted:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        self._read.append(size)
        return self._file.read(size)


def test_a_picture_of_another_size_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vimeo, "decode_picture", pytest.fail)
    large = png(4000, 3000)
    found = zip_of([*CLIP[:2], *((name, large) for name, _ in CLIP[2:])])
    said = refused(tmp_path / "vimeo_septuplet.zip", found, vimeo_pixels)
    assert "4000×3000 pixels, rgb24, not the 448×256 RGB" in said


class Calls:
    """Pickles as a call of numpy with arguments of its own."""

    def __init__(self, *call: object) -> None:
        self._call = call

    def __reduce__(self) -> tuple[object, ...]:
        return self._call


MADE = {
    "memory as it is": Calls(np.ndarray, ((3, 3072), np.dtype("u1"))),
    "a large array": Calls(np.core.multiarray._reconstruct, (np.ndarray, (10**11,), b"b")),
    "fewer samples than rows": Calls(
        np.core.multiarray._reconstruct, (np.ndarray, (0,), b"b"),
        (1, (4, 3072), np.dtype("u1"), False, ROWS.tobytes()),
    ),
    "objects": np.array([[None] * 3072], dtype=object),
    "floats": ROWS.astype(np.float32),
    "a type": np.ndarray,
    "a column": ROWS[:, :5],
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_a_pickle_that_makes_an_array_of_its_own_is_refused(kind: str, tmp_path: Path) -> None:
    content = pickle.dumps({b"data": MADE[kind]}, protocol=2)
    archive = tar_gz([("test_batch_1", content)])
    said = refused(tmp_path / PYTHON, archive, cifar_pixels)
    assert "not a CIFAR-10 batch" in said or "data is not uint8" in said


@pytest.mark.parametrize("protocol", range(5))
def test_batches_of_any_protocol_are_read(protocol: int, tmp_path: Path) -> None:
    content = pickle.dumps({b"data": ROWS, b"filenames": [b"a", b"b"]}, protocol=protocol)
    path = tmp_path / PYTHON
    path.write_bytes(tar_gz([("test_batch_1", content)]))
    rows = ROWS.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    assert cifar_pixels(path) == np.ascontiguousarray(rows).tobytes()
