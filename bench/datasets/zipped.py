"""Files inside zip archives, read where they lie with what sources ask of a path."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from bench.errors import DataError


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

    def open(self, mode: str = "rb") -> IO[bytes]:
        assert mode == "rb"
        try:
            return zipfile.ZipFile(self.archive).open(self.member)
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise OSError(0, f"{error}") from error

    def read_bytes(self) -> bytes:
        with self.open() as file:
            return file.read()

    def stat(self) -> Facts:
        return Facts(self.size, self.crc)


File = Path | ZipMember


def zip_members(archive: Path) -> list[ZipMember]:
    """All files of an archive. Raises DataError for one that cannot be read."""
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = [one for one in opened.infolist() if not one.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise DataError(
            f"{archive}: no zip file that can be read ({error}); get it again"
        ) from error
    return [ZipMember(archive, one.filename, one.file_size, one.CRC) for one in entries]


def files_of(places: Iterable[File]) -> tuple[Path, ...]:
    """The files of the file system that hold them."""
    found = (one.archive if isinstance(one, ZipMember) else one for one in places)
    return tuple(dict.fromkeys(found))
