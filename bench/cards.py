"""Cards: the TOML files that register codecs and data sets, read and validated into dataclasses.

Finds cards in the project's folders, in installed packages and in folders named on the command
line; imports an adapter only when one is built. Never reads media or runs a codec.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bench import plugins
from bench.errors import CardError, UsageError, near_matches
from bench.records import Point, Value
from bench.suites import Suite, read_suite
from bench.toml import Table, label, read_table
from bench.words import parse_settings

if TYPE_CHECKING:
    from bench.codecs.base import Allowed, Codec
    from bench.datasets.base import Loader

ENTRY_POINTS = "bench.codecs"
CODEC_NEEDS = tuple(
    "encode decode parameters lossless refusal check_available versions colour_path warm_up "
    "device_kind decode_elsewhere complexity reads estimate".split()
)
LOADER_NEEDS = ("items", "load", "notes")
Kind = Literal["codecs", "datasets"]
Settings = Mapping[str, Any]
"""A card's own table: what its values are, the adapter, loader or task that reads them says."""

_PACKAGE = Path(__file__).resolve().parent
_MEDIA = ("image", "video", "vector")
_CODEC_KEYS = frozenset(
    "title adapter media deterministic lossless anchor settings ladder source training "
    "resources reads".split()
)
_DATASET_KEYS = frozenset(
    "title loader media items licence citation folders settings files suites".split()
)
_FILE_KEYS = frozenset("name url sha256 md5".split())


@dataclass(frozen=True, slots=True)
class CodecCard:
    """One codec: its adapter, settings and operating points."""

    id: str
    path: Path
    title: str
    adapter: str
    media: tuple[str, ...]
    deterministic: bool = True
    lossless: bool = False
    anchor: bool = False
    """What others are compared with where no suite says it."""
    settings: Settings = field(default_factory=dict)
    ladder: tuple[Point, ...] = ()
    source: Settings = field(default_factory=dict)
    training: Settings = field(default_factory=dict)
    resources: Mapping[str, float] = field(default_factory=dict)
    searched: str | None = None
    """With a ladder of target rates: the parameter that is searched to reach them."""
    reads: tuple[Path, ...] = ()
    """Files and folders that the decoder needs besides its program or package, such as weights."""
    items: int | None = None
    """How many items of its suite it is measured on, the first ones; None: all."""
    title_pattern: str = ""
    """The title as the card has it, settings in braces, so that a variation's says its own."""

    @property
    def digest(self) -> str:
        """Hash of what the measured numbers depend on: not title, source or training."""
        relevant = (self.adapter, self.deterministic, self.lossless, dict(self.settings))
        return hashlib.sha256(
            json.dumps(relevant, sort_keys=True, default=str).encode()
        ).hexdigest()

    @property
    def folder(self) -> Path:
        """The folder of the card; weights lie in ``weights/<id>/`` beside it."""
        return self.path.parent


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


@dataclass(frozen=True, slots=True)
class Registry:
    """All cards in sight, by id."""

    codecs: Mapping[str, Path]
    datasets: Mapping[str, Path]

    def codec(self, name: str) -> CodecCard:
        """The card of a codec id without settings. Raises UsageError naming near matches."""
        if name not in self.codecs:
            raise UsageError(f"unknown codec {name!r}; {near_matches(name, self.codecs)}")
        return read_codec(self.codecs[name])

    def dataset(self, name: str) -> DatasetCard:
        if name not in self.datasets:
            raise UsageError(f"unknown data set {name!r}; {near_matches(name, self.datasets)}")
        return read_dataset(self.datasets[name])

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
        suites = self.suites()
        if name not in suites:
            raise UsageError(f"unknown suite {name!r}; {near_matches(name, suites)}")
        return suites[name]

    def select(self, spec: str) -> CodecCard:
        """The card of ``id`` or ``id:key=value,key=v+v``: settings and ladder applied.

        The id of a variation is the word itself without its ladder, settings sorted, so that the
        same variation has one name however it was written.
        """
        name, _, tail = spec.partition(":")
        return vary(self.codec(name), parse_settings(spec, tail)) if tail else self.codec(name)


def builtin_folder(kind: Kind) -> Path:
    """Where the project's own cards lie: in the wheel, or beside ``bench/`` in a checkout."""
    installed = _PACKAGE / "_cards" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def load_registry(folders: Iterable[Path] = ()) -> Registry:
    """Every codec and data set card: ours, installed packages', and those in ``folders``.

    A folder may hold ``*.toml`` codec cards directly or ``codecs/`` and ``datasets/``.
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
    return Registry(_index(codecs), _index(datasets))


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
        # absolute: a decoder that is shut in works in another folder
        for path in sorted(folder.absolute().glob("*.toml"), key=str):
            if path.stem in found and found[path.stem] != path:
                raise CardError(
                    f"card id {path.stem!r} is claimed by both {found[path.stem]} and {path}"
                )
            found[path.stem] = path
    return found


@cache
def read_codec(path: Path) -> CodecCard:
    """Reads and validates one codec card; raises CardError naming file, key and value."""
    table = read_table(path, _CODEC_KEYS, ("title", "adapter", "media"))
    media = table.words("media")
    for word in media:
        if word not in _MEDIA:
            raise CardError(f"{table.where}: media {word!r} is not one of {', '.join(_MEDIA)}")
    settings, title = table.get("settings", dict, {}), table.get("title", str, "")
    return CodecCard(
        id=path.stem,
        path=path,
        title=_titled(title, settings),
        title_pattern=title,
        adapter=table.attribute_path("adapter"),
        media=media,
        deterministic=table.get("deterministic", bool, True),
        lossless=table.get("lossless", bool, False),
        anchor=table.get("anchor", bool, False),
        settings=settings,
        ladder=_ladder(table.where, table.get("ladder", dict, {})),
        source=table.get("source", dict, {}),
        training=table.get("training", dict, {}),
        resources=table.numbers("resources"),
        reads=tuple(path.parent / Path(one).expanduser() for one in table.words("reads")),
    )


def _ladder(where: str, table: Mapping[str, object]) -> tuple[Point, ...]:
    if not table:
        return (Point("mode", "only"),)
    if len(table) != 1:
        raise CardError(f"{where}: ladder has {len(table)} keys; give one, such as crf = [22, 27]")
    ((key, values),) = table.items()
    if not isinstance(values, list) or not values:
        raise CardError(f"{where}: ladder.{key} is {values!r}; give a list of values")
    for value in values:
        is_number = isinstance(value, int | float) and math.isfinite(value)
        if not is_number and not isinstance(value, str):
            raise CardError(f"{where}: ladder.{key} holds {value!r}; give numbers or words")
    if len(set(values)) != len(values):
        raise CardError(f"{where}: ladder.{key} names a value twice: {values}")
    return tuple(Point(key, value) for value in values)


@cache
def read_dataset(path: Path) -> DatasetCard:
    """Reads and validates one data set card with its suites."""
    table = read_table(path, _DATASET_KEYS, ("title", "loader", "media"))
    where, media = table.where, table.get("media", str, "")
    if media not in _MEDIA:
        raise CardError(f"{where}: media {media!r} is not one of {', '.join(_MEDIA)}")
    tables = table.below("suites")
    suites = {name: read_suite(suite, path.stem, name) for name, suite in tables.items()}
    files = tuple(_data_file(entry) for entry in table.listed("files"))
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


def vary(card: CodecCard, changes: Mapping[str, list[Value]]) -> CodecCard:
    """The card with settings or its ladder changed, checked against the adapter's parameters."""
    parameters = adapter_class(card).parameters
    ladder, settings = card.ladder, dict(card.settings)
    ladder_key = card.ladder[0].key
    words = []
    for key, values in sorted(changes.items()):
        if key != ladder_key and key not in parameters:
            known = {*parameters, ladder_key} - {"mode"}
            raise UsageError(
                f"codec {card.id}: unknown setting {key!r}; {near_matches(key, known)}"
            )
        if key == ladder_key:
            ladder = tuple(Point(key, value) for value in dict.fromkeys(values))
        elif len(values) > 1:
            raise UsageError(
                f"codec {card.id}: {key} takes one value; only {ladder_key} is a ladder"
            )
        else:
            settings[key] = values[0]
            words.append(f"{key}={values[0]}")
    name = f"{card.id}:{','.join(words)}" if words else card.id
    title = _titled(card.title_pattern or card.title, settings, words)
    return replace(card, id=name, title=title, ladder=ladder, settings=settings)


def _titled(pattern: str, settings: Settings, words: Sequence[str] = ()) -> str:
    """A title with the settings that it names in braces, ``{preset}``, and behind it those of a
    variation that it does not name. Chroma is written as people do: 4:2:0."""

    def shown(slot: re.Match[str]) -> str:
        key = slot[1]
        value = str(settings.get(key, slot[0]))
        return ":".join(value) if key == "chroma" and value.isdecimal() else value

    title = re.sub(r"\{([\w-]+)\}", shown, pattern)
    unsaid = [word for word in words if f"{{{word.partition('=')[0]}}}" not in pattern]
    return f"{title} ({', '.join(unsaid)})" if unsaid else title


def import_attribute(where: str, path: str) -> Any:
    """What ``package.module:Name`` of a card names. Raises CardError if it does not exist or its
    module cannot be imported."""
    module, _, name = path.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CardError(f"{where}: {path!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # a third party's module may raise anything
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise CardError(f"{where}: {path!r} cannot be imported: {detail}") from error


def _import_class(where: str, key: str, path: str, needed: tuple[str, ...], base: str) -> Any:
    """A class with all the attributes that ``needed`` names."""
    found = import_attribute(where, path)
    if not isinstance(found, type):
        raise CardError(f"{where}: {key} {path!r} is a {type(found).__name__}, not a class")
    if missing := [name for name in needed if not hasattr(found, name)]:
        raise CardError(
            f"{where}: {key} {path!r} has no {', '.join(missing)}; write what {base} asks for"
        )
    return found


def adapter_class(card: CodecCard) -> type[Codec]:
    """The adapter class, imported now. Raises CardError if the card's adapter does not exist or is
    no codec."""
    adapter: type[Codec] = _import_class(
        label(card.path), "adapter", card.adapter, CODEC_NEEDS, "bench.codecs.base:CodecBase"
    )
    if not isinstance(adapter.parameters, Mapping):
        raise CardError(
            f"{label(card.path)}: adapter {card.adapter!r}: parameters is a "
            f"{type(adapter.parameters).__name__}; write a mapping of names to allowed values"
        )
    return adapter


def build_codec(card: CodecCard, *, device: str = "cpu") -> Codec:
    """The adapter instance of a card, after its settings and ladder were checked for range."""
    adapter = adapter_class(card)
    check_values(card, adapter.parameters)
    return adapter(card, device=device)


def check_values(card: CodecCard, parameters: Mapping[str, Allowed]) -> None:
    """Raises CardError for a setting that the adapter does not know or a value out of range."""
    where = label(card.path)
    for key, value in card.settings.items():
        if key not in parameters:
            raise CardError(f"{where}: unknown setting {key!r}; {near_matches(key, parameters)}")
        if value not in parameters[key]:
            raise CardError(
                f"{where}: {key} {value} is outside {parameters[key]}; change settings.{key}"
            )
    for point in () if card.searched else card.ladder:
        if point.key in parameters and point.value not in parameters[point.key]:
            allowed = parameters[point.key]
            raise CardError(
                f"{where}: {point.key} {point.value} is outside {allowed}; "
                f"change ladder.{point.key}"
            )
        if point.key not in parameters and point.key != "mode" and "*" not in parameters:
            raise CardError(
                f"{where}: unknown ladder key {point.key!r}; {near_matches(point.key, parameters)}"
            )


def loader_class(card: DatasetCard) -> type[Loader]:
    """The loader class of a data set card, imported now. Raises CardError as ``adapter_class``."""
    loader: type[Loader] = _import_class(
        label(card.path), "loader", card.loader, LOADER_NEEDS, "bench.datasets.base:Loader"
    )
    return loader
