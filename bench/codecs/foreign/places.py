"""Where foreign code lies, what runs it, and which files its decoder may read.

Names paths only; the host's process is confined to them by bench.processes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.cards import CodecCard, plugins
from bench.cards.toml import label
from bench.codecs.support.programs import places_of_program
from bench.errors import Unavailable
from bench.processes.isolation import (
    downloaded_weights,
    launch_folder,
    python_folders,
    source_places,
)

_FIELD = re.compile(r"\{\w+\}")
_ATTRIBUTE = re.compile(r"([A-Za-z_]\w*)(\.\w+)*:[A-Za-z_][\w.]*")
_OLDEST = (3, 8)
_PACKAGE = Path(__file__).resolve().parents[2]
_ASK = "import json, sys; print(json.dumps([list(sys.version_info[:2]), sys.path[1:], sys.prefix]))"
_ASK_SECONDS = 60
_INSTALLED = ("site-packages", "dist-packages")
_CODE = (".py", ".so", ".pyd")


def is_ours(attribute: str) -> bool:
    """Whether ``package.module:Name`` of a card is part of bench."""
    return attribute.startswith("bench.")


def modules_of(card: CodecCard) -> tuple[str, ...]:
    """The modules that a card names: its adapter's, and those of classes in its settings."""
    return (card.adapter, *(word for word in _named_by(card) if _ATTRIBUTE.fullmatch(word)))


def files_of(card: CodecCard) -> tuple[Path, ...]:
    """The card, its weights, files that its settings name, and its ``reads``."""
    named = (path for word in _named_by(card) for path in _files_like(word, card.folder))
    return (card.path, card.folder / "weights", *card.reads, *named)


def _named_by(card: CodecCard) -> Iterator[str]:
    return (value for value in card.settings.values() if isinstance(value, str) and value)


def _files_like(word: str, folder: Path) -> Iterator[Path]:
    """Files and folders of this name below the current folder or the card's folder; a placeholder
    such as ``{quality}`` matches anything."""
    pattern = Path(_FIELD.sub("*", word)).expanduser()
    for base in {pattern.parent.absolute(), folder.absolute() / pattern.parent}:
        if pattern.name and base.is_dir():
            yield from base.glob(pattern.name)


@dataclass(frozen=True, slots=True)
class Environment:
    """What runs a card's code: the interpreter, what is first on its ``sys.path`` and what last."""

    python: str
    first: tuple[Path, ...]
    last: tuple[Path, ...]
    installed: tuple[Path, ...]
    """The interpreter with its packages."""


def environment_of(card: CodecCard) -> Environment:
    """The environment of a card. Raises Unavailable where what it names is not here."""
    here = launch_folder()
    named = tuple(_located(card, "path", word) for word in card.environment_path)
    first = (*named, here)
    beside = (_PACKAGE.parent, card.folder)
    if card.environment_python is None:
        extra = tuple(map(Path, plugins.path()))
        code = source_places(modules_of(card))
        places = (*python_folders(), _PACKAGE, *_packages(extra), *code)
        return Environment(sys.executable, first, (*extra, *beside), places)
    python = str(_located(card, "python", card.environment_python))
    return Environment(python, first, beside, (*_interpreter(python, label(card.path)), _PACKAGE))


def _located(card: CodecCard, key: str, word: str) -> Path:
    path = Path(word).expanduser()
    places = (launch_folder() / path, card.folder / path)
    for place in places:
        if place.exists():
            return place.absolute()
    raise Unavailable(
        f"{label(card.path)}: environment.{key} {word!r} is neither {places[0]} nor {places[1]}; "
        "put it there or correct the card"
    )


@cache
def _interpreter(python: str, where: str) -> tuple[Path, ...]:
    """The folders of another interpreter and its packages, as itself tells them."""
    try:
        said = subprocess.run(
            [python, "-c", _ASK], capture_output=True, timeout=_ASK_SECONDS, check=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        # the last line: what starts with an interpreter may print, too
        version, path, prefix = json.loads(said.stdout.splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.SubprocessError) as error:
        raise Unavailable(
            f"{where}: environment.python {python} does not start: {error}"
        ) from error
    if tuple(version) < _OLDEST:
        raise Unavailable(
            f"{where}: environment.python is Python {version[0]}.{version[1]}; give 3.8 or newer"
        )
    return (*places_of_program(Path(python)), Path(prefix), *_packages(map(Path, path)))


def _packages(path: Iterable[Path]) -> Iterator[Path]:
    """Folders of ``sys.path``: installed packages as a whole, of one where people work its code."""
    for place in path:
        if place.name in _INSTALLED:
            yield place
        elif place.is_dir() and not any(map(place.is_relative_to, python_folders())):
            yield from code_in(place)


def decoder_places(
    card: CodecCard, environment: Environment, sources: Sequence[Path]
) -> tuple[Path, ...]:
    """What the decoder of a card may read: interpreter and packages, the repositories of
    ``environment.path``, code in the current folder and beside ``sources``, which the encoder
    loaded, and the card's files."""
    named = environment.first[:-1]
    beside = dict.fromkeys(path.parent for path in sources)
    code = (path for folder in (launch_folder(), card.folder, *beside) for path in code_in(folder))
    cached = downloaded_weights()
    return (*environment.installed, *named, *code, *sources, *files_of(card), *cached)


def code_in(folder: Path) -> Iterator[Path]:
    """Modules in a folder, and the folders in it that hold modules, packages or not, or folders of
    modules."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for path in entries:
        shown = not path.name.startswith(".")
        if path.suffix in _CODE or (shown and path.is_dir() and _holds_code(path)):
            yield path


def _holds_code(folder: Path) -> bool:
    try:
        inside = (path for one in ("*", "*/*") for path in folder.glob(one))
        return any(path.suffix in _CODE for path in inside)
    except OSError:
        return False
