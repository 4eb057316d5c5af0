"""TOML tables read strictly: an unknown or missing key or a wrong type is an error with its place.

Knows files and tables, but not what a card means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from bench.cards.files import read_toml
from bench.errors import CardError, near_matches, plain

Kind = TypeVar("Kind")
Default = TypeVar("Default")

MEDIA = ("image", "video", "vector")
Settings = Mapping[str, Any]
"""A card's own table: what its values are, the adapter, loader or task that reads them says."""


def label(path: Path) -> str:
    """A card's file as messages name it: ``codecs/x265.toml``."""
    return f"{path.parent.name}/{path.name}"


def read_table(path: Path, allowed: Iterable[str], required: Iterable[str]) -> Table:
    """The table of a file. Raises CardError if it cannot be read or has the wrong keys."""
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:  # not TOML, not UTF-8, or an integer without end
        raise CardError(f"{label(path)}: cannot be read as TOML: {error}") from error
    table = Table(label(path), values)
    table.refuse_unknown(allowed)
    for key in required:
        if key not in values:
            raise CardError(f"{label(path)}: {key} is missing; add it")
    return table


@dataclass(frozen=True, slots=True)
class Table:
    """A table and how messages name it."""

    where: str
    values: Mapping[str, object]

    def refuse_unknown(self, allowed: Iterable[str]) -> None:
        known = set(allowed)
        for key in self.values:
            if key not in known:
                raise CardError(f"{self.where}: unknown key {key!r}; {near_matches(key, known)}")

    def get(self, key: str, kind: type[Kind], default: Default) -> Kind | Default:
        """A value of a type, or the default where the key is absent."""
        if key not in self.values:
            return default
        value = self.values[key]
        # Python takes true for 1, a card does not
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise CardError(f"{self.where}: {key} is {value!r}; give a {kind.__name__}")
        if isinstance(value, str) and plain(value) != value:
            raise CardError(f"{self.where}: {key} is {value!r}; take out what acts on terminals")
        return value

    def numbers(self, key: str) -> Mapping[str, float]:
        """A table of numbers, empty where the key is absent."""
        values = self.get(key, dict, {})
        for name, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise CardError(f"{self.where}: {key}.{name} is {value!r}; give a number")
        return values

    def below(self, key: str) -> dict[str, Table]:
        """The tables of a table by name, none where the key is absent."""
        tables = self.get(key, dict, {})
        return {name: self._table(f"[{key}.{name}]", value) for name, value in tables.items()}

    def listed(self, key: str) -> tuple[Table, ...]:
        """A list of tables, empty where the key is absent."""
        tables = enumerate(self.get(key, list, []))
        return tuple(self._table(f"[[{key}]] {index}", value) for index, value in tables)

    def _table(self, name: str, value: object) -> Table:
        if not isinstance(value, dict):
            raise CardError(f"{self.where} {name} is {value!r}; give a table")
        return Table(f"{self.where} {name}", value)

    def words(self, key: str) -> tuple[str, ...]:
        """A list of words, empty where the key is absent."""
        value = self.get(key, list, [])
        if not all(isinstance(word, str) for word in value):
            raise CardError(f"{self.where}: {key} is {value!r}; give a list of words")
        return tuple(value)

    def attribute_path(self, key: str) -> str:
        """A word of the form ``package.module:Class``."""
        return self._attribute_path(key, self.values.get(key))

    def attribute_paths(self, key: str) -> tuple[str, ...]:
        return tuple(self._attribute_path(key, word) for word in self.words(key))

    def _attribute_path(self, key: str, value: object) -> str:
        if not isinstance(value, str) or value.count(":") != 1 or not all(value.split(":")):
            raise CardError(f'{self.where}: {key} is {value!r}; write "package.module:Class"')
        return value
