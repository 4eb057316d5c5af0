"""The MNIST digits from their official idx files, plain or gzipped; test and training apart."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError

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
