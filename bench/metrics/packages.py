"""What metrics of packages share: whether packages and weight files are here, and of which
versions; frames as tensors. Imports none of the packages."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.errors import Unavailable
from bench.machine import file_digest

if TYPE_CHECKING:
    import torch

    from bench.signals import Frame

EXTRA = "pip install 'bench-rd[perceptual]'"


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
        if file_digest(self.path) != self.sha256:
            raise Unavailable(f"{_shown(self.path)} is not what it should be (sha256); {cure}")

    def versions(self) -> Mapping[str, str]:
        return {f"weights {self.name}": self.sha256}


def _shown(path: Path) -> str:
    """A path for tables that others read: the home folder is nobody's."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


class Packaged:
    """A metric of a package: what of it must be here, and which versions its values depend on."""

    module: ClassVar[str]
    distribution: ClassVar[str]
    cure: ClassVar[str] = EXTRA
    backbone: ClassVar[Backbone | None] = None

    @classmethod
    def check_available(cls) -> None:
        if find_spec(cls.module) is None:
            raise Unavailable(f"package {cls.module} is not installed; {cls.cure}")
        if cls.backbone is not None:
            cls.backbone.check()

    @classmethod
    def versions(cls) -> Mapping[str, str]:
        weights = {} if cls.backbone is None else cls.backbone.versions()
        return {cls.distribution: metadata.version(cls.distribution), **weights}


def as_tensor(frame: Frame, device: str) -> torch.Tensor:
    """A uint8 frame ``(H, W[, 3])`` as float32 ``(1, C, H, W)`` in 0–255."""
    import numpy as np
    import torch

    planes = frame[..., np.newaxis] if frame.ndim == 2 else frame
    samples = torch.tensor(np.ascontiguousarray(planes), device=device)
    return samples.permute(2, 0, 1)[None].float()


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
