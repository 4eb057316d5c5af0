"""Moving MNIST: the official test sequences where they are at hand, else clips generated alike.

Srivastava, Mansimov, Salakhutdinov: Unsupervised learning of video representations using LSTMs
(2015). A generated clip is never passed off as an official one. Digits come from MNIST's official
idx files, plain or gzipped; test and training apart.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.cards import DatasetCard
from bench.datasets.base import DataOptions, Item
from bench.datasets.locate import candidates, locate
from bench.errors import DataError
from bench.signals import GRAY, Layout, Signal, clip

OFFICIAL_FILE = "mnist_test_seq.npy"
OFFICIAL_SEQUENCES = 10_000
FRAMES = 20
SIZE = 64
DIGITS = 2
STEP = 0.1
"""How far a digit moves per frame, as a part of its range."""
Split = Literal["test", "train"]
_STEMS: dict[Split, str] = {"test": "t10k-images", "train": "train-images"}
# md5 of the uncompressed idx files of http://yann.lecun.com/exdb/mnist/: any gzip of them will do
_MD5: dict[Split, str] = {
    "test": "2646ac647ad5339dbf082846283269ea",
    "train": "6bbc9ace898e44ae57da46a324031adb",
}
_HEADER_BYTES = 16
_BYTES: dict[Split, int] = {"test": 7_840_016, "train": 47_040_016}
_SIDE = 28


def find_digits(folder: Path, split: Split) -> Path | None:
    """The idx file of a split in a folder, under any of the names in use, or None."""
    for separator in ("-", "."):
        for suffix in ("", ".gz"):
            path = folder / f"{_STEMS[split]}{separator}idx3-ubyte{suffix}"
            if path.is_file():
                return path
    return None


@lru_cache(maxsize=2)
def read_digits(path: Path, split: Split) -> NDArray[np.uint8]:
    """The digits of an idx file, ``(n, 28, 28)``. Raises DataError unless it is the official file
    of that split, so that test digits never come from the training set."""
    try:
        # one byte more than the official file, so that a larger one is neither read nor unpacked
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(_BYTES[split] + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read: {error}; fetch it again") from error
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != _MD5[split]:
        raise DataError(
            f"{path}: md5 of its content is {found}, not the {_MD5[split]} of MNIST's {split} "
            "images; fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=_HEADER_BYTES).reshape(-1, _SIDE, _SIDE)


def generate(
    digits: NDArray[np.uint8],
    seed: int,
    index: int,
    *,
    frames: int = FRAMES,
    size: int = SIZE,
    count: int = DIGITS,
) -> NDArray[np.uint8]:
    """Clip ``index`` of the endless sequence of ``seed``: uint8 ``(frames, size, size)``.

    As in the paper's generator: ``count`` digits, drawn with replacement, start anywhere, move in
    straight lines in any direction and bounce off the walls; where they overlap the brighter
    sample wins. Depends on nothing but the arguments, so that clips are made when they are needed.
    """
    rng = np.random.default_rng([seed, index])
    canvas = np.zeros((frames, size, size), np.uint8)
    side = digits.shape[1]
    for digit in digits[rng.integers(0, len(digits), count)]:
        rows, columns = _trajectory(rng, frames, size - side)
        for frame, row, column in zip(canvas, rows, columns, strict=True):
            window = frame[row : row + side, column : column + side]
            np.maximum(window, digit, out=window)
    return canvas


def _trajectory(
    rng: np.random.Generator, frames: int, room: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of a digit's corner in each frame, within ``0…room``."""
    position = rng.random(2)
    angle = rng.random() * 2 * np.pi
    velocity = np.array([np.sin(angle), np.cos(angle)])
    places = np.empty((frames, 2))
    for place in places:
        position += velocity * STEP
        velocity[(position <= 0) | (position >= 1)] *= -1
        np.clip(position, 0, 1, out=position)
        place[:] = position
    rows, columns = (places * room).astype(np.int64).T
    return rows, columns


class MovingMnist:
    """``settings``: ``sequences`` to offer at most, ``seed`` and ``digits`` of generated ones, and
    ``source``: ``auto`` takes the official file if it is found, ``generated`` never does."""

    settings_known = tuple("seed digits sequences source".split())

    def __init__(
        self, card: DatasetCard, settings: dict[str, object], options: DataOptions
    ) -> None:
        self._seed = int(str(settings.get("seed", 2015)))
        self._per_clip = int(str(settings.get("digits", DIGITS)))
        count = int(str(settings.get("sequences", OFFICIAL_SEQUENCES)))
        self._count = min(count, options.limit or count)
        wanted = settings.get("source", "auto")
        if wanted not in ("auto", "generated"):
            raise DataError(f"{card.id}: source {wanted!r} is neither auto nor generated")
        if self._per_clip < 1:
            raise DataError(f"{card.id}: digits {self._per_clip} is below 1")
        if self._per_clip != DIGITS and wanted == "auto":
            raise DataError(
                f"{card.id}: the official sequences have {DIGITS} digits; set source to generated"
            )
        self._official = _find_official(card, options) if wanted == "auto" else None
        self._digits: Path | None = None
        if self._official is None:
            folder = locate(card, options, lambda path: find_digits(path, "test") is not None)
            self._digits = find_digits(folder, "test")
            assert self._digits is not None
            read_digits(self._digits, "test")
        elif self._count > OFFICIAL_SEQUENCES:
            raise DataError(f"{card.id}: the official set has {OFFICIAL_SEQUENCES} sequences only")
        else:
            _check_official(card, self._official)

    def items(self) -> Sequence[Item]:
        layout = Layout("video", GRAY, SIZE, SIZE, FRAMES)
        kind = "official" if self._official else f"generated {self._seed}"
        if self._per_clip != DIGITS:
            kind += f" {self._per_clip} digits"
        return tuple(
            Item(f"{kind.split()[0]}-{index:05d}", _digest(f"{kind} {index}"), layout)
            for index in range(self._count)
        )

    def load(self, item: Item) -> Signal:
        index = int(item.name.rpartition("-")[2])
        if self._official is not None:
            return clip(np.array(np.load(self._official, mmap_mode="r")[:, index]))
        assert self._digits is not None
        digits = read_digits(self._digits, "test")
        return clip(generate(digits, self._seed, index, count=self._per_clip))

    def places(self) -> tuple[Path, ...]:
        return tuple(path for path in (self._official, self._digits) if path is not None)

    def notes(self) -> tuple[str, ...]:
        if self._official is not None:
            return (f"the first {self._count} sequences of the official {OFFICIAL_FILE}",)
        return (
            f"{self._count} sequences of {self._per_clip} digits generated from the MNIST test "
            f"digits with seed {self._seed} "
            f"as in Srivastava et al. (2015); not the official {OFFICIAL_FILE}",
        )


def _find_official(card: DatasetCard, options: DataOptions) -> Path | None:
    for path in candidates(card, options.root):
        for found in (path, path / OFFICIAL_FILE):
            if found.name == OFFICIAL_FILE and found.is_file():
                return found
    return None


def _check_official(card: DatasetCard, path: Path) -> None:
    expected = next(file.md5 for file in card.files if file.name == OFFICIAL_FILE)
    with path.open("rb") as content:
        found = hashlib.file_digest(content, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != expected:
        raise DataError(
            f"{path}: md5 is {found}, not the official {expected}; delete it, and run `python -m "
            f"bench fetch {card.id}` or do without it"
        )


def _digest(text: str) -> str:
    return hashlib.sha256(f"moving mnist 1 {text}".encode()).hexdigest()
