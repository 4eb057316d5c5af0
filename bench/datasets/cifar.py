"""CIFAR-10 from the official binary or Python files or their archives: arrays and items.

The Python batches are pickles: they are read by an unpickler that can build arrays and nothing
else. Whole official files are checked by their md5; a partial set is used and said so.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from bench.datasets.base import DataOptions, Item
from bench.datasets.locate import candidates
from bench.errors import CardError, DataError
from bench.signals import RGB, Layout, Signal, clip, image

if TYPE_CHECKING:
    from bench.cards import DatasetCard

Split = Literal["train", "test"]
Images = NDArray[np.uint8]

SIDE = 32
_PIXELS = 3 * SIDE * SIDE
_RECORD = 1 + _PIXELS
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
                batches = [_read_batch(path.name, path.read_bytes(), path) for path in files]
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


def _is_batch(name: str, split: Split) -> bool:
    return name.startswith(_PREFIX[split]) and Path(name).suffix in ("", ".bin")


def _read_archive(archive: Path, split: Split) -> list[Images]:
    try:
        with tarfile.open(archive) as opened:
            members = [m for m in opened if _is_batch(Path(m.name).name, split) and m.isfile()]
            batches = []
            for member in sorted(members, key=lambda each: each.name):
                file = opened.extractfile(member)
                content = file.read() if file is not None else b""
                batches.append(_read_batch(Path(member.name).name, content, archive / member.name))
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: truncated or not an archive ({error}); fetch again") from error
    if not batches:
        raise DataError(f"{archive}: no {split} batches inside; fetch it again")
    return batches


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


class _ArrayUnpickler(pickle.Unpickler):
    """Builds numpy arrays and plain containers; any other name in the pickle is refused."""

    _allowed = frozenset(
        {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a CIFAR-10 batch")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickle(content: bytes, where: Path) -> NDArray[np.uint8]:
    try:
        table = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
        data = table[b"data"]
    except (
        pickle.UnpicklingError, EOFError, KeyError, TypeError, ValueError, AttributeError,
        IndexError, ImportError, UnicodeDecodeError,
    ) as error:  # fmt: skip
        raise DataError(f"{where}: not a CIFAR-10 batch ({error}); fetch it again") from error
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXELS,):
        raise DataError(f"{where}: data is not uint8 n × {_PIXELS}; fetch it again")
    return data


def _join(batches: list[Images], split: Split, source: str) -> CifarImages:
    pixels = np.concatenate(batches)
    return CifarImages(pixels, split, source, hashlib.sha256(pixels.data).hexdigest())


class CifarTest:
    """The test images, one an item, or ``settings.per_item`` of them as the frames of a clip.

    An incomplete last batch is left out and said so.
    """

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        per_item = settings.get("per_item", 1)
        if not isinstance(per_item, int) or per_item < 1:
            raise CardError(
                f"datasets/{card.path.name}: settings.per_item is {per_item!r}; give a number"
            )
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
