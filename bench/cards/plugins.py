"""Python files named on the command line that bring metrics, codec adapters or loaders, and the
entry points of installed packages that do.

A file is imported under its own name, so that a card names its classes as ``my_codec:MyCodec``;
other processes, also those of other machines, get its source. It is imported in processes of its
own alone. Knows nothing of what is inside.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bench.cards.files import read_text
from bench.errors import CardError, UsageError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints


@dataclass(frozen=True, slots=True)
class Plugin:
    """One file: the name of its module, where it lay and its text."""

    name: str
    path: Path
    source: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.source.encode()).hexdigest()


_known: dict[str, Plugin] = {}
_loaded: dict[str, Plugin] = {}


def entry_points(group: str) -> EntryPoints:
    """The entry points of installed packages, which are looked for once: it takes 10 ms."""
    return _installed(group, tuple(sys.path))


@cache
def _installed(group: str, path: tuple[str, ...]) -> EntryPoints:
    from importlib import metadata

    return metadata.entry_points(group=group)


def load(path: Path) -> Plugin:
    """Notes a file of the user's, which is imported where its classes are used. Raises UsageError
    if it cannot be read, or if its name is that of another module or file."""
    try:
        source = read_text(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"--plugin {path}: cannot be read: {error}; give a .py file") from error
    name = path.stem
    if path.suffix != ".py" or not name.isidentifier():
        raise UsageError(f"--plugin {path}: name it as a Python module, such as my_metrics.py")
    other = _known[name].path != path.resolve() if name in _known else _is_other(name, path)
    if other:
        raise UsageError(f"--plugin {path}: there is another module {name!r}; rename the file")
    plugin = Plugin(name, path.resolve(), source)
    note([plugin])
    return plugin


def note(plugins: Iterable[Plugin]) -> None:
    """Takes files that another process was given."""
    _known.update({plugin.name: plugin for plugin in plugins})


def _is_other(name: str, path: Path) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return True
    if spec is None:
        return False
    return spec.origin is None or Path(spec.origin).resolve() != path.resolve()


def install(plugins: Iterable[Plugin]) -> None:
    """Imports files from their text, as in a process that does not see them; one that is there
    already with the same text is left alone."""
    for plugin in plugins:
        if _loaded.get(plugin.name) == plugin:
            continue
        module = ModuleType(plugin.name)
        module.__file__ = str(plugin.path)
        before = sys.modules.get(plugin.name)
        sys.modules[plugin.name] = module
        try:
            exec(compile(plugin.source, str(plugin.path), "exec"), module.__dict__)
        except Exception as error:  # a user's file may raise anything
            del sys.modules[plugin.name]
            if before is not None:
                sys.modules[plugin.name] = before
            raise UsageError(
                f"--plugin {plugin.path}: cannot be imported: {type(error).__name__}: {error}"
            ) from error
        _loaded[plugin.name] = plugin


def loaded() -> tuple[Plugin, ...]:
    """All that are known, in their order."""
    return tuple(_known.values())


def path() -> list[str]:
    """The folders of the files and ``sys.path``, for a process that imports for this one."""
    folders = [str(plugin.path.parent) for plugin in loaded()]
    return [*folders, *(one for one in sys.path if Path(one).is_absolute())]


def version(module: str) -> Mapping[str, str]:
    """What a fingerprint must say of code in this module: its hash if it is a plug-in's."""
    plugin = _known.get(module) or _loaded.get(module)
    return {} if plugin is None else {f"plugin {module}": plugin.sha256}


def import_module(name: str) -> ModuleType:
    """A module, which may be one of the files. Raises what the module raises."""
    if name in _known:
        install([_known[name]])
    return importlib.import_module(name)


def import_attribute(where: str, path: str) -> Any:
    """What ``package.module:Name`` of a card names. Raises CardError if it does not exist or its
    module cannot be imported."""
    module, _, name = path.partition(":")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise CardError(f"{where}: {path!r} cannot be imported: {error}") from error
    except (Exception, SystemExit) as error:  # a third party's module may raise anything
        detail = " ".join(f"{type(error).__name__}: {error}".split())
        raise CardError(f"{where}: {path!r} cannot be imported: {detail}") from error


def import_class(where: str, key: str, path: str, needed: tuple[str, ...], base: str) -> Any:
    """A class with all the attributes that ``needed`` names."""
    found = import_attribute(where, path)
    if not isinstance(found, type):
        raise CardError(f"{where}: {key} {path!r} is a {type(found).__name__}, not a class")
    if missing := [name for name in needed if not hasattr(found, name)]:
        raise CardError(
            f"{where}: {key} {path!r} has no {', '.join(missing)}; write what {base} asks for"
        )
    return found
