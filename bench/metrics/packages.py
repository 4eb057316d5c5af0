"""Whether the packages and weight files of perceptual metrics are here, and of which versions.

Asks; imports and downloads nothing.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.errors import Unavailable

EXTRA = "pip install 'bench-rd[perceptual]'"


def require(module: str, cure: str = EXTRA) -> None:
    """Raises Unavailable, with the cure, if a module is not installed."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        raise Unavailable(f"package {module} is not installed; {cure}")


def version(package: str) -> Mapping[str, str]:
    """The version of an installed distribution, under its name."""
    from importlib import metadata

    return {package: metadata.version(package)}


@dataclass(frozen=True, slots=True)
class Backbone:
    """A network of torchvision that was trained on ImageNet: its file, and what it hashes to."""

    name: str
    url: str
    sha256: str

    @property
    def path(self) -> Path:
        """Where torchvision keeps it: ``$TORCH_HOME``, else the user's cache."""
        cache_folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
        home = Path(os.environ.get("TORCH_HOME", cache_folder / "torch"))
        return home.expanduser() / "hub" / "checkpoints" / self.url.rpartition("/")[2]

    def check(self) -> None:
        """Raises Unavailable, with the command that gets the file, if it is missing or another."""
        cure = f"run `python -m bench fetch {self.name}`"
        if not self.path.is_file():
            raise Unavailable(f"the weights of {self.name} are not at {_shown(self.path)}; {cure}")
        if _sha256(self.path, self.path.stat().st_mtime_ns) != self.sha256:
            raise Unavailable(f"{_shown(self.path)} is not what it should be (sha256); {cure}")

    def versions(self) -> Mapping[str, str]:
        return {f"weights {self.name}": self.sha256}


def _shown(path: Path) -> str:
    """A path for tables that others read: the home folder is nobody's."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


@cache
def _sha256(path: Path, changed: int) -> str:
    """Of a file as it was at a time, so that half a gigabyte is read once a process."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_HOST = "https://download.pytorch.org/models"
ALEXNET = Backbone(
    "alexnet-imagenet",
    f"{_HOST}/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
VGG16 = Backbone(
    "vgg16-imagenet",
    f"{_HOST}/vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
)
BACKBONES = {backbone.name: backbone for backbone in (ALEXNET, VGG16)}


def fetch_backbone(name: str) -> Path:
    """Downloads a backbone to where torchvision looks for it, checksum verified; its path."""
    import pooch

    backbone = BACKBONES[name]
    found = pooch.retrieve(
        backbone.url, f"sha256:{backbone.sha256}", fname=backbone.path.name,
        path=backbone.path.parent, progressbar=True,
    )  # fmt: skip
    return Path(found)
