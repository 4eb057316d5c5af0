"""Data set cards: the TOML files that register data sets and their suites."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.cards.suites import Suite, read_suite
from bench.cards.toml import MEDIA, Settings, Table, read_table
from bench.errors import CardError

_DATASET_KEYS = frozenset(
    "title loader media items licence citation folders settings files suites".split()
)
_FILE_KEYS = frozenset("name url sha256 md5".split())


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a data set, where it comes from and what it must hash to."""

    name: str
    url: str | None = None
    sha256: str | None = None
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """One data set: its loader, its files and its suites.

    ``folders`` are the names under which people keep it inside a data folder.
    """

    id: str
    path: Path
    title: str
    loader: str
    media: str
    licence: str = ""
    citation: str = ""
    items: int | None = None
    folders: tuple[str, ...] = ()
    settings: Settings = field(default_factory=dict)
    files: tuple[DataFile, ...] = ()
    suites: Mapping[str, Suite] = field(default_factory=dict)


@cache
def read_dataset(path: Path) -> DatasetCard:
    """Reads and validates one data set card with its suites."""
    table = read_table(path, _DATASET_KEYS, ("title", "loader", "media"))
    where, media = table.where, table.get("media", str, "")
    if media not in MEDIA:
        raise CardError(f"{where}: media {media!r} is not one of {', '.join(MEDIA)}")
    tables = table.below("suites")
    suites = {name: read_suite(suite, path.stem, name) for name, suite in tables.items()}
    files = tuple(_data_file(entry) for entry in table.listed("files"))
    names = [file.name for file in files]
    if len(set(names)) < len(names):
        raise CardError(f"{where}: files has {max(names, key=names.count)} twice; leave one")
    return DatasetCard(
        id=path.stem,
        path=path,
        title=table.get("title", str, ""),
        loader=table.attribute_path("loader"),
        media=media,
        licence=table.get("licence", str, ""),
        citation=table.get("citation", str, ""),
        items=table.get("items", int, None),
        folders=table.words("folders") or (path.stem,),
        settings=table.get("settings", dict, {}),
        files=files,
        suites=suites,
    )


def _data_file(table: Table) -> DataFile:
    table.refuse_unknown(_FILE_KEYS)
    name = table.get("name", str, "")
    if not name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise CardError(f"{table.where}: name {name!r} must be a path inside the data folder")
    url, sha256, md5 = (table.get(key, str, None) for key in ("url", "sha256", "md5"))
    return DataFile(name, url, sha256, md5)
