"""Runs the program of a command codec confined to its private folder, and finds what it must read.

The program reads itself, its interpreter and libraries, and files that its arguments name; it
writes into its folder alone, has no network, and nothing that it starts outlives it. ``Package``
says where the programs of reference codecs lie, and where they come from.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.errors import CodecError, Unavailable
from bench.processes import isolation

_FOLDERS_OF_PROGRAMS = ("bin", "sbin")
_BESIDE_THEM = ("lib", "lib32", "lib64", "libexec", "share", "include", "etc", "pyvenv.cfg")
_SEARCHED = ("LD_LIBRARY_PATH", "PYTHONPATH")
_SHEBANG_BYTES = 256


def run_confined(
    arguments: Sequence[str], folder: Path, log: IO[bytes], reads: Sequence[Path] = ()
) -> int:
    """The exit status of a program whose messages go to ``log``; negative: the signal that ended
    it. Its folder is its current and temporary one. Raises OSError if it does not start."""
    process = launch_program(arguments, folder, reads, stdout=log)
    try:
        return process.wait()
    finally:
        isolation.end(process)


def launch_program(
    arguments: Sequence[str],
    folder: Path,
    reads: Sequence[Path],
    *,
    stdout: int | IO[bytes],
    stderr: int = subprocess.STDOUT,
) -> subprocess.Popen[bytes]:
    """``isolation.launch`` with what the program needs and what its arguments name."""
    named = (path for path in named_places(arguments[1:]) if not path.is_relative_to(folder))
    places = (*places_of_program(Path(arguments[0])), *named, *reads)
    try:
        return isolation.launch(arguments, folder, places, stdout=stdout, stderr=stderr)
    except subprocess.SubprocessError as error:
        raise CodecError(f"{arguments[0]} cannot be isolated here: {error}") from error


def written(
    path: Path, who: str, what: str, said: str, error: type[CodecError] = CodecError
) -> Path:
    """The file that a program wrote, at ``path``. Raises ``error`` where there is none or an empty
    one: who wrote no what, and what it said."""
    if not has_written(path) or not path.stat().st_size:
        raise error(f"{who} wrote no {what}: {said}")
    return path


def has_written(path: Path) -> bool:
    """Whether a program wrote a file of its own there. A link may lead to what it could not read
    itself, such as the original."""
    return path.is_file() and not path.is_symlink()


def places_of_program(program: Path) -> Iterator[Path]:
    """The program, its folder, libraries beside it and where the environment says
    that they are; and the same of a script's interpreter."""
    for path in dict.fromkeys((program.absolute(), program.resolve())):
        yield path
        yield _folder_of(path)
        if path.parent.name in _FOLDERS_OF_PROGRAMS:
            yield from (path.parent.parent / name for name in _BESIDE_THEM)
    interpreter = _interpreter(program)
    if interpreter is not None and interpreter != program:
        yield from places_of_program(interpreter)
    for name in _SEARCHED:
        added = (Path(word) for word in os.environ.get(name, "").split(os.pathsep))
        yield from (path for path in added if path.is_absolute())


def _interpreter(program: Path) -> Path | None:
    """What the first line of a script names."""
    try:
        with program.open("rb") as file:
            line = file.readline(_SHEBANG_BYTES)
    except OSError:
        return None
    words = line[2:].decode(errors="replace").split() if line.startswith(b"#!") else []
    if words and Path(words[0]).name == "env":
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    found = shutil.which(words[0]) if words else None
    return Path(found) if found else None


def named_places(words: Sequence[str]) -> Iterator[Path]:
    """What arguments name: folders, and of files the folder that holds them, for a script finds its
    modules and a model its parts beside it."""
    for word in words:
        for part in dict.fromkeys((word, *re.split(r"[=:,]", word))):
            path = Path(part)
            if path.is_absolute() and path.exists():
                yield path if path.is_dir() else _folder_of(path)
                yield path


def _folder_of(file: Path) -> Path:
    """The folder of a file; the file where that is a home or a place for everyone's files."""
    shared = (Path("/"), Path.home(), Path(tempfile.gettempdir()), Path("/tmp"), Path("/dev"))
    return file if file.parent in shared else file.parent


@dataclass(frozen=True, slots=True)
class Package:
    """One package of reference software, which ``home`` gives away; ``release`` is the one that
    the cards were measured with, ``variable`` names the folder where it is installed."""

    name: str
    release: str
    licence: str
    home: str
    variable: str

    def program(self, codec: str, names: Sequence[str]) -> Path:
        """Path of the first of ``names`` in the folder, its ``bin/`` or on the PATH. Raises
        Unavailable with what to install."""
        root = os.environ.get(self.variable)
        folders = os.pathsep.join(str(Path(root, part)) for part in ("bin", "")) if root else None
        for name in names:
            if found := shutil.which(name, path=folders):
                return Path(found).absolute()
        raise self._missing(codec, names[0])

    def file(self, codec: str, name: str) -> Path:
        """Path of a script in the folder or along the PATH, executable or not. Raises
        Unavailable as ``program`` does."""
        root = os.environ.get(self.variable)
        folders = [root] if root else os.environ.get("PATH", "").split(os.pathsep)
        for folder in folders:
            if (path := Path(folder, name)).is_file():
                return path.absolute()
        raise self._missing(codec, name)

    def _missing(self, codec: str, name: str) -> Unavailable:
        root = os.environ.get(self.variable)
        where = f"in {self.variable}={root}" if root else f"on PATH, nor is {self.variable} set"
        return Unavailable(f"{codec}: no program {name} {where}; {self.cure}")

    @property
    def cure(self) -> str:
        """What to install, and how to tell this project of it."""
        return (
            f"install {self.name} (tested: {self.release}, {self.licence}) from {self.home}, "
            f"configured as docs/reference_codecs.md says, and export {self.variable}=<its folder>"
        )
