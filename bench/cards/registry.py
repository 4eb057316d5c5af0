"""All cards in sight, by id: ours, installed packages', and those in folders that a user names.

Finds and reads cards; imports nothing that they name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from bench.cards import plugins
from bench.cards.codec import CodecCard, read_codec
from bench.cards.dataset import DatasetCard, read_dataset
from bench.cards.suites import Protocol, Suite, read_protocol
from bench.errors import FORMULA, CardError, UsageError, near_matches, plain

ENTRY_POINTS = "bench.codecs"
Kind = Literal["codecs", "datasets"]
Found = TypeVar("Found")

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Registry:
    """All cards in sight, by id."""

    codecs: Mapping[str, Path]
    datasets: Mapping[str, Path]
    protocols: Mapping[str, Path]

    def codec(self, name: str) -> CodecCard:
        """The card of a codec id without settings. Raises UsageError naming near matches."""
        return read_codec(_known("codec", name, self.codecs))

    def dataset(self, name: str) -> DatasetCard:
        return read_dataset(_known("data set", name, self.datasets))

    def protocol(self, name: str) -> Protocol:
        return read_protocol(_known("protocol", name, self.protocols))

    def anchor(self) -> str | None:
        """The codec whose card says that it is one; of several the last found, so that a user's
        card takes the place of ours."""
        found = [name for name in self.codecs if self.codec(name).anchor]
        return found[-1] if found else None

    def suites(self) -> dict[str, Suite]:
        """All suites of all data sets; a name that two claim is an error naming both."""
        found: dict[str, Suite] = {}
        for name in self.datasets:
            for suite in self.dataset(name).suites.values():
                if suite.id in found:
                    raise CardError(
                        f"suite {suite.id!r} is in both datasets/{found[suite.id].dataset}.toml "
                        f"and datasets/{name}.toml; rename one"
                    )
                found[suite.id] = suite
        return found

    def suite(self, name: str) -> Suite:
        return _known("suite", name, self.suites())


def _known(kind: str, name: str, table: Mapping[str, Found]) -> Found:
    if name not in table:
        raise UsageError(f"unknown {kind} {name!r}; {near_matches(name, table)}")
    return table[name]


def builtin_folder(kind: Kind) -> Path:
    """Where the project's own cards lie: in the wheel, or beside ``bench/`` in a checkout."""
    installed = _PACKAGE / "_cards" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def load_registry(folders: Iterable[Path] = ()) -> Registry:
    """Every codec and data set card: ours, installed packages', and those in ``folders``.

    A folder may hold ``*.toml`` codec cards directly or ``codecs/`` and ``datasets/``; protocols
    lie in ``protocols/`` beside the cards of data sets.
    """
    codecs, datasets = [builtin_folder("codecs")], [builtin_folder("datasets")]
    codecs += _entry_point_folders()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"{folder}: no such card folder; give a folder of *.toml cards")
        nested = [folder / "codecs", folder / "datasets"]
        if not any(place.is_dir() for place in nested) and not any(folder.glob("*.toml")):
            raise UsageError(f"{folder}: no card in it{_where_cards_lie(folder)}")
        codecs.append(nested[0] if nested[0].is_dir() else folder)
        if nested[1].is_dir():
            datasets.append(nested[1])
    protocols = [folder / "protocols" for folder in datasets]
    return Registry(_index(codecs), _index(datasets), _index(protocols))


def _where_cards_lie(folder: Path) -> str:
    """The end of a sentence: a folder one step further that holds cards, if there is one."""
    for path in sorted(folder.glob("*/*.toml")):
        return f"; {path.name} lies in {path.parent}"
    return "; give a folder of *.toml cards"


def _entry_point_folders() -> list[Path]:
    """Card folders of installed packages: the entry point's value names the package they lie in."""
    from importlib.util import find_spec

    folders = []
    for entry in plugins.entry_points(ENTRY_POINTS):
        spec = find_spec(entry.module)
        if spec is None or not spec.submodule_search_locations:
            raise CardError(
                f"entry point {entry.name!r} of group {ENTRY_POINTS}: {entry.value!r} is not an "
                "installed package; name the package that holds the card files"
            )
        folders += [Path(location) for location in spec.submodule_search_locations]
    return folders


def _index(folders: Iterable[Path]) -> Mapping[str, Path]:
    found: dict[str, Path] = {}
    for folder in folders:
        # absolute: a confined decoder works in another folder
        for path in sorted(folder.absolute().glob("*.toml"), key=str):
            if path.stem in found and found[path.stem] != path:
                raise CardError(
                    f"card id {path.stem!r} is claimed by both {found[path.stem]} and {path}"
                )
            if plain(path.stem) != path.stem or path.stem.startswith(FORMULA):
                raise CardError(
                    f"card {path.name!r}: its name is the id, which stands in tables and on "
                    "terminals; name it with letters and digits"
                )
            found[path.stem] = path
    return found
