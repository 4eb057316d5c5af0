"""Where the programs of reference codecs lie, and where they come from; builds none of them.

Looks into the folder that an environment variable names, then along the PATH; runs nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.errors import Unavailable


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
