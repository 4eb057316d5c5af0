"""Codec cards: the TOML files that register codecs, read and validated into dataclasses."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from bench.cards.codec_specs import titled
from bench.cards.toml import MEDIA, Settings, Table, read_table
from bench.errors import FORMULA, CardError, plain, shown
from bench.records import Point, is_number

ONLY = Point("mode", "only")
"""The point of a codec that has no ladder."""
_LEARNED = re.compile(r"^bench\.learned\.(\w+)\.codec:")
_CODEC_KEYS = frozenset(
    "title label adapter media deterministic lossless anchor settings ladder source training "
    "resources reads environment call".split()
)


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
    environment_path: tuple[str, ...] = ()
    """Folders that its code is imported from, as the card names them."""
    environment_python: str | None = None
    """The interpreter of its code; None: the one that runs bench."""
    items: int | None = None
    """How many items of its suite it is measured on, the first ones; None: all."""
    label: str = ""
    """Its name in tables and legends; versions of what it is built on may stand in braces."""
    title_pattern: str = ""
    """The title as the card has it, settings in braces, so that a variation's says its own."""

    @property
    def digest(self) -> str:
        """Hash of what the measured numbers depend on: not title, label, source or training."""
        # records know our own networks by the place where their adapters once lay
        adapter = _LEARNED.sub(r"bench.codecs.\1:", self.adapter)
        relevant = (adapter, self.deterministic, self.lossless, dict(self.settings))
        return hashlib.sha256(
            json.dumps(relevant, sort_keys=True, default=str).encode()
        ).hexdigest()

    @property
    def rate_key(self) -> str:
        """The parameter that tells its operating points apart, be they listed or searched."""
        return self.searched or self.ladder[0].key

    @property
    def folder(self) -> Path:
        """The folder of the card; weights lie in ``weights/<id>/`` beside it."""
        return self.path.parent


@cache
def read_codec(path: Path) -> CodecCard:
    """Reads and validates one codec card; raises CardError naming file, key and value."""
    table = read_table(path, _CODEC_KEYS, ("title", "adapter", "media"))
    media = table.words("media")
    for word in media:
        if word not in MEDIA:
            raise CardError(f"{table.where}: media {word!r} is not one of {', '.join(MEDIA)}")
    settings, title = dict(table.get("settings", dict, {})), table.get("title", str, "")
    if call := table.get("call", dict, {}):
        if "call" in settings:
            raise CardError(f"{table.where}: there are [call] and [settings.call]; keep one")
        settings["call"] = call  # a setting of networks, which cards may write at the top
    environment = Table(f"{table.where} [environment]", table.get("environment", dict, {}))
    environment.refuse_unknown(("path", "python"))
    return CodecCard(
        id=path.stem,
        path=path,
        title=titled(title, settings),
        label=table.get("label", str, ""),
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
        environment_path=environment.words("path"),
        environment_python=environment.get("python", str, None),
    )


def _ladder(where: str, table: Mapping[str, object]) -> tuple[Point, ...]:
    if not table:
        return (ONLY,)
    if len(table) != 1:
        raise CardError(f"{where}: ladder has {len(table)} keys; give one, such as crf = [22, 27]")
    ((key, values),) = table.items()
    if not isinstance(values, list) or not values:
        raise CardError(f"{where}: ladder.{key} is {values!r}; give a list of values")
    for word in (key, *values):
        if isinstance(word, str) and (plain(word) != word or key.startswith(FORMULA)):
            raise CardError(f"{where}: ladder.{key} holds {word!r}; points stand in tables")
    for value in values:
        if not is_number(value) and not isinstance(value, bool | str):
            raise CardError(f"{where}: ladder.{key} holds {shown(value)}; give numbers or words")
    if len(set(values)) != len(values):
        raise CardError(f"{where}: ladder.{key} names a value twice: {values}")
    return tuple(Point(key, value) for value in values)
