"""CIFAR-10 from the official binary or Python files or their archives: arrays and items.

The Python batches are pickles: they are read by an unpickler that can build arrays and nothing
else. Whole official files are checked by their md5; a partial set is used and said so.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.datasets.base import DataOptions, Item, whole_setting
from bench.datasets.locate import candidates
from bench.errors import DataError
from bench.signals import RGB, Layout, Signal, clip, image

if TYPE_CHECKING:
    from bench.cards import DatasetCard

Split = Literal["train", "test"]
Images = NDArray[np.uint8]

SIDE = 32
_PIXELS = 3 * SIDE * SIDE
_RECORD = 1 + _PIXELS
_BATCH_BYTES = 2**25
"""A batch has 30.7 MB as a binary file and 31.0 MB as a Python file."""
_UNPACKED_BYTES = 2**28
"""An archive has 186 MB."""
_FULL = {"train": 50_000, "test": 10_000}
_FOLDERS = ("cifar-10-batches-bin", "cifar-10-batches-py", "cifar10", "cifar-10")
_ARCHIVES = ("cifar-10-binary.tar.gz", "cifar-10-python.tar.gz")
_PREFIX = {"train": "data_batch_", "test": "test_batch"}

# of the files in cifar-10-binary.tar.gz and cifar-10-python.tar.gz
# (md5 c32a1d4ab5d03f1284b67883e8d87530 and c58f30108f718f92721af3b95e74349a)
_MD5 = {
    "data_batch_1.bin": "5dd7e06a14cb22eb9f671a540d1b7c25",
    "data_batch_2.bin": "5ea93a67294ea407fff1d09f752e9692",
    "data_batch_3.bin": "942cd6a4bcdd0dd3c604fbe906cb4421",
    "data_batch_4.bin": "ae636b3ba5c66a11e91e8cb52e771fcb",
    "data_batch_5.bin": "53f37980c15c3d472c316c10844f3894",
    "test_batch.bin": "803d5f7f4d78ea53de84dbe85f74fb6d",
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


@dataclass(frozen=True, slots=True)
class CifarImages:
    """The images of one split that were found: uint8 ``(n, 32, 32, 3)``, in official order."""

    pixels: Images
    split: Split
    source: str
    digest: str

    @property
    def note(self) -> str:
        """n of how many, for every table."""
        n, full = len(self.pixels), _FULL[self.split]
        whole = "all" if n == full else "only the first" if self.split == "test" else "only"
        return f"CIFAR-10 {self.split} images: {whole} {n} of {full} ({self.source}), n = {n}"


def read_cifar(folders: Sequence[Path], split: Split) -> CifarImages:
    """The split's images under the first of ``folders`` that holds any.

    A folder is a data folder with ``cifar-10-batches-bin`` and the like or an archive in it, or
    the batches' own folder. Raises DataError if none has them or a file is not what it should be.
    """
    for folder in folders:
        for place in (folder / name for name in (*_FOLDERS, ".")):
            files = _batch_files(place, split) if place.is_dir() else []
            if files:
                _refuse_both_kinds(place, [path.name for path in files])
                batches = [_read_batch(path.name, _content(path), path) for path in files]
                return _join(batches, split, place.resolve().name)
        for archive in (folder / name for name in _ARCHIVES):
            if archive.is_file():
                return _join(_read_archive(archive, split), split, archive.name)
    looked = ", ".join(str(folder) for folder in folders) or "no folder"
    raise DataError(
        f"no CIFAR-10 {split} images in {looked}; put cifar-10-batches-bin/ or "
        "cifar-10-binary.tar.gz there, or run: python -m bench fetch cifar10"
    )


def _batch_files(folder: Path, split: Split) -> list[Path]:
    files = [path for path in folder.iterdir() if _is_batch(path.name, split) and path.is_file()]
    return sorted(files)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_BATCH_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; put it back") from error
    if len(content) > _BATCH_BYTES:
        raise DataError(f"{path}: larger than a batch of {_BATCH_BYTES:,} bytes; fetch it again")
    return content


def _is_batch(name: str, split: Split) -> bool:
    return name.startswith(_PREFIX[split]) and Path(name).suffix in ("", ".bin")


class _Bounded(io.RawIOBase):
    """What an archive unpacks to, as far as the official one goes."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, _UNPACKED_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        content = self._file.read(len(buffer))
        self._left -= len(content)
        if self._left < 0:
            raise OSError(f"unpacks to more than {_UNPACKED_BYTES:,} bytes")
        buffer[: len(content)] = content
        return len(content)


def _read_archive(archive: Path, split: Split) -> list[Images]:
    found: dict[str, bytes] = {}
    try:
        with gzip.open(archive) as packed, io.BufferedReader(_Bounded(packed)) as content:
            with tarfile.open(fileobj=content, mode="r|") as opened:
                for member in opened:
                    name = Path(member.name).name
                    if not (_is_batch(name, split) and member.isfile()):
                        continue
                    if name in found:
                        raise OSError(f"holds {name} twice")
                    if member.size > _BATCH_BYTES:
                        raise OSError(f"{name} has {member.size:,} bytes, a batch {_BATCH_BYTES:,}")
                    file = opened.extractfile(member)
                    found[name] = file.read() if file is not None else b""
            while content.read(2**20):  # gzip's checksum stands behind the last byte
                continue
    except (tarfile.TarError, EOFError, OSError, zlib.error, ValueError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{archive}: truncated, damaged or not an archive ({reason}); fetch it again"
        ) from error
    if not found:
        raise DataError(f"{archive}: no {split} batches inside; fetch it again")
    _refuse_both_kinds(archive, found)
    return [_read_batch(name, found[name], archive / name) for name in sorted(found)]


def _refuse_both_kinds(where: Path, names: Iterable[str]) -> None:
    """The same batch as a binary and as a Python file would count twice."""
    for name in names:
        if f"{name}.bin" in names:
            raise DataError(f"{where}: holds {name} and {name}.bin; keep one of them")


def _read_batch(name: str, content: bytes, where: Path) -> Images:
    """The images of one file; a file of official size must have the official md5."""
    whole = len(content) == 10_000 * _RECORD or Path(name).suffix == ""
    if whole and name in _MD5 and hashlib.md5(content).hexdigest() != _MD5[name]:
        raise DataError(f"{where}: md5 differs from the official file's; fetch it again")
    if Path(name).suffix == ".bin":
        if len(content) % _RECORD or not content:
            raise DataError(
                f"{where}: {len(content)} bytes are not whole records of {_RECORD}; it is "
                "truncated, fetch it again"
            )
        rows = np.frombuffer(content, np.uint8).reshape(-1, _RECORD)
        if int(rows[:, 0].max()) > 9:
            raise DataError(f"{where}: label {int(rows[:, 0].max())} is outside 0–9; not CIFAR-10")
        return _channels_last(rows[:, 1:])
    rows = _unpickle(content, where)
    return _channels_last(rows)


def _channels_last(rows: NDArray[np.uint8]) -> Images:
    return np.ascontiguousarray(rows.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1))


class _Array:
    """An array of bytes as a pickle states it: its samples stand there, or it is none. A pickle may
    not call numpy, which would make arrays of any size and of what memory happens to hold."""

    rows: NDArray[np.uint8] | None = None

    def __setstate__(self, state: object) -> None:
        match state:
            case (1, (int(count), int(width)), _Bytes(), bool() | 0 | 1 as fortran, bytes(content)):
                if not fortran and min(count, width) > 0 and count * width == len(content):
                    self.rows = np.frombuffer(content, np.uint8).reshape(count, width)
                    return
        raise pickle.UnpicklingError("data is no array of uint8 with its samples")


class _Bytes:
    """numpy's dtype of bytes."""

    def __setstate__(self, state: object) -> None:
        pass


def _array(kind: object, shape: object, code: object) -> _Array:
    if (kind, shape) != (_Array, (0,)) or code not in (b"b", "b"):
        raise pickle.UnpicklingError("data is no plain array")
    return _Array()


def _dtype(code: object, *_: object) -> _Bytes:
    if code not in ("u1", b"u1"):
        raise pickle.UnpicklingError(f"dtype {code!r} is not uint8")
    return _Bytes()


def _encode(text: object, code: object) -> bytes:
    if not isinstance(text, str) or code not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError("text that is no bytes")
    return text.encode("latin1")


class _ArrayUnpickler(pickle.Unpickler):
    """Builds arrays of bytes and plain containers; any other name in the pickle is refused."""

    def find_class(self, module: str, name: str) -> Any:
        known = _NAMES.get((module.replace("numpy._core", "numpy.core"), name))
        if known is None:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a CIFAR-10 batch")
        return known


_NAMES: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}


def _unpickle(content: bytes, where: Path) -> NDArray[np.uint8]:
    try:
        table = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        data: NDArray[np.uint8] | None = table[b"data"].rows
    except (
        pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError,
        IndexError, ImportError, OverflowError, MemoryError, RecursionError,
    ) as error:  # fmt: skip
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: not a CIFAR-10 batch ({reason}); fetch it again") from error
    if data is None or data.shape[1] != _PIXELS:
        raise DataError(f"{where}: data is not uint8 n × {_PIXELS}; fetch it again")
    return data


def _join(batches: list[Images], split: Split, source: str) -> CifarImages:
    pixels = np.concatenate(batches)
    return CifarImages(pixels, split, source, hashlib.sha256(pixels.data).hexdigest())


class CifarTest:
    """The test images, one an item, or ``settings.per_item`` of them as the frames of a clip.

    An incomplete last batch is left out and said so.
    """

    settings_known = ("per_item",)

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        per_item = whole_setting(card, settings, "per_item", 1)
        self._per_item, self._limit = per_item, options.limit
        self._folders = tuple(candidates(card, options.root))
        self._count = len(self._images.pixels) // per_item
        if not self._count:
            raise DataError(
                f"{card.title}: {len(self._images.pixels)} test images are fewer than the "
                f"{per_item} of one item; lower settings.per_item"
            )

    @cached_property
    def _images(self) -> CifarImages:
        return read_cifar(self._folders, "test")

    def __getstate__(self) -> dict[str, Any]:
        """Workers read the files by themselves: 3 MB of pixels stay out of every message."""
        return {key: value for key, value in self.__dict__.items() if key != "_images"}

    def items(self) -> Sequence[Item]:
        names = range(self._count)[: self._limit]
        return [self._item(index) for index in names]

    def _item(self, index: int) -> Item:
        pixels = self._pixels(index)
        digest = hashlib.sha256(pixels.data).hexdigest()
        if self._per_item == 1:
            return Item(f"test{index:05d}", digest, Layout("image", RGB, SIDE, SIDE))
        layout = Layout("video", RGB, SIDE, SIDE, self._per_item)
        return Item(f"batch{index:03d}", digest, layout)

    def load(self, item: Item) -> Signal:
        pixels = self._pixels(int(item.name.removeprefix("test").removeprefix("batch")))
        return image(pixels[0]) if self._per_item == 1 else clip(pixels)

    def _pixels(self, index: int) -> Images:
        return self._images.pixels[index * self._per_item : (index + 1) * self._per_item]

    def places(self) -> tuple[Path, ...]:
        named = [f / name for f in self._folders for name in (*_FOLDERS, *_ARCHIVES)]
        loose = [file for f in self._folders if f.is_dir() for file in _batch_files(f, "test")]
        return tuple(path for path in (*named, *loose) if path.exists())

    def notes(self) -> tuple[str, ...]:
        notes = [self._images.note]
        if self._per_item > 1:
            left = len(self._images.pixels) - self._count * self._per_item
            notes.append(
                f"{self._per_item} images in one stream, {self._count} streams"
                + (f"; the last {left} images fill no stream and are left out" if left else "")
            )
        return tuple(notes)
