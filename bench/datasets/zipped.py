"""Files inside zip archives, read where they lie with what sources ask of a path."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from bench.errors import DataError

PICTURE_BYTES = 2**28
"""A larger picture file is none: 8K at 16 bits takes 200 MB without compression."""
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, IndexError, ValueError,
    OverflowError, RuntimeError, NotImplementedError,
)  # fmt: skip
"""What zipfile raises of archives that are damaged, hostile or encrypted."""


@contextmanager
def explained() -> Iterator[None]:
    """Every fault of an archive as an OSError of one line."""
    try:
        yield
    except _DAMAGE as error:
        raise OSError(0, " ".join(f"{error or type(error).__name__}".split())) from error


class _Checked(io.RawIOBase):
    """A member as it is read: its checksum is verified at its end."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        with explained():
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        with explained():
            return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@dataclass(frozen=True, slots=True)
class Facts:
    """What of a file's status sources ask."""

    st_size: int
    st_mtime_ns: int


@dataclass(frozen=True, slots=True)
class ZipMember:
    """A file in an archive. Reading is from the beginning on: to go back costs as much again."""

    archive: Path
    member: str
    size: int
    crc: int

    @property
    def name(self) -> str:
        return PurePosixPath(self.member).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.member).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.member).suffix

    def open(self, mode: str = "rb") -> io.BufferedReader:
        assert mode == "rb"
        with explained():
            entry = zipfile.ZipFile(self.archive)
            if entry.getinfo(self.member).compress_type not in _METHODS:
                raise NotImplementedError("neither stored nor deflated; pack it again")
            return io.BufferedReader(_Checked(entry.open(self.member)))

    def read_bytes(self) -> bytes:
        """The whole of a picture."""
        if self.size > PICTURE_BYTES:
            raise OSError(0, f"unpacks to {self.size:,} bytes, more than any picture has")
        with self.open() as file:
            return file.read()

    def stat(self) -> Facts:
        return Facts(self.size, self.crc)


File = Path | ZipMember


def zip_members(archive: Path) -> list[ZipMember]:
    """All files of an archive. Raises DataError for one that cannot be read."""
    entries = zip_entries(archive)
    return [ZipMember(archive, one.filename, one.file_size, one.CRC) for one in entries]


def zip_entries(archive: Path) -> list[zipfile.ZipInfo]:
    """The directory of an archive, without folders. Raises DataError for one that cannot be read or
    that holds a name twice."""
    try:
        with explained(), zipfile.ZipFile(archive) as opened:
            entries = [one for one in opened.infolist() if not one.is_dir()]
    except OSError as error:
        raise DataError(
            f"{archive}: no zip file that can be read ({error.strerror}); get it again"
        ) from error
    refuse_twins(archive, [one.filename for one in entries])
    return entries


def refuse_twins(archive: Path, names: Sequence[str]) -> None:
    """Raises DataError for a name that is there twice: programs differ in which they take."""
    name, count = max(Counter(names).items(), key=lambda pair: pair[1], default=("", 0))
    if count > 1:
        raise DataError(f"{archive}: holds {name!r} {count} times; get it again")


def files_of(places: Iterable[File]) -> tuple[Path, ...]:
    """The files of the file system that hold them."""
    found = (one.archive if isinstance(one, ZipMember) else one for one in places)
    return tuple(dict.fromkeys(found))
