"""Finds, verifies and loads CompressAI checkpoints: published ones and a user's own.

Never downloads while measuring: a missing file is Unavailable with the command that gets it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bench.errors import CardError, Unavailable, UsageError

if TYPE_CHECKING:
    from compressai.models import CompressionModel

FOLDER_VARIABLE = "BENCH_WEIGHTS"
IMAGE_ARCHITECTURES = (
    "bmshj2018-factorized",
    "bmshj2018-factorized-relu",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    "mbt2018",
    "cheng2020-anchor",
    "cheng2020-attn",
)
AUTOREGRESSIVE = ("mbt2018", "cheng2020-anchor", "cheng2020-attn")
VIDEO_ARCHITECTURES = ("ssf2020",)
_HASHED_NAME = re.compile(r"-([0-9a-f]{8})\.pth")
# keys under which training scripts keep the weights, as compressai.utils.eval_model reads them
_NESTED = ("network", "state_dict", "model_state_dict")


@dataclass(frozen=True, slots=True)
class ZooModel:
    """One network of the zoo, or of a user in one of its architectures.

    ``location`` is the setting ``weights``: a file, a folder, or text with ``{quality}`` in it.
    ``arguments`` are the constructor's, where they cannot be read off the weights.
    """

    codec: str
    architecture: str
    metric: str
    quality: int
    location: str = ""
    arguments: tuple[int, ...] = ()

    @property
    def url(self) -> str | None:
        """Where CompressAI publishes the weights, or None."""
        from compressai.zoo.image import model_urls as image_urls
        from compressai.zoo.video import model_urls as video_urls

        by_metric = {**image_urls, **video_urls}.get(self.architecture, {})
        url: str | None = by_metric.get(self.metric, {}).get(self.quality)
        return url

    @property
    def cure(self) -> str:
        """How to get the weights, as an error message ends."""
        if self.url is None:
            return (
                f"CompressAI publishes none for {self.architecture}, {self.metric}, quality "
                f"{self.quality}; give a file or folder: {self.codec}:weights=FILE"
            )
        function = self.architecture.replace("-", "_")
        return (
            f'get them: python -c "from compressai.zoo import {function}; '
            f"{function}({self.quality}, '{self.metric}', pretrained=True)\", or put "
            f"{Path(self.url).name} into ${FOLDER_VARIABLE} or weights=FOLDER"
        )

    def find(self) -> Path:
        """The checkpoint on this machine. Raises Unavailable with the cure."""
        if not find_spec("compressai"):
            raise Unavailable(
                f"codec {self.codec}: compressai is not installed; it has wheels for Python 3.11 "
                "and 3.12: pip install compressai there"
            )
        if self.location:
            path = Path(self.location.replace("{quality}", str(self.quality))).expanduser()
            if path.is_file():
                return path
            candidates = self._candidates(path) if path.is_dir() else []
            where = str(path)
        else:
            folder = os.environ.get(FOLDER_VARIABLE)
            cache = Path(torch.hub.get_dir()) / "checkpoints"
            candidates = self._candidates(Path(folder)) if folder else []
            candidates += self._candidates(cache)
            where = f"{folder or f'${FOLDER_VARIABLE} (not set)'} or {cache}"
        for candidate in candidates:
            if candidate.is_file():
                return candidate
        raise Unavailable(
            f"codec {self.codec}: no weights of {self.architecture}, {self.metric}, quality "
            f"{self.quality} in {where}; {self.cure}"
        )

    def _candidates(self, folder: Path) -> list[Path]:
        stem = f"{self.architecture}-{self.metric}-{self.quality}"
        names = [Path(self.url).name] if self.url else []
        names += [stem + suffix for suffix in (".pth.tar", ".pth", ".pt")]
        return [folder / name for name in names]

    def load(self) -> nn.Module:
        """The network in evaluation mode, coding tables included.

        Raises Unavailable, or CardError for a damaged file or one of another architecture.
        """
        path = self.find()
        state = read_checkpoint(path)
        try:
            model = self._build(state)
        except (RuntimeError, KeyError, IndexError, TypeError, ValueError) as error:
            detail = " ".join(str(error).split())[:200]
            raise CardError(
                f"{path}: not weights of {self.architecture} ({detail}); change the card's "
                "architecture, arguments or weights"
            ) from error
        model.update()  # type: ignore[operator]
        return model.eval()

    def _build(self, state: Mapping[str, Tensor]) -> nn.Module:
        model_class = architecture_class(self.architecture)
        if not self.arguments:
            loaded: nn.Module = model_class.from_state_dict(dict(state))
            return loaded
        model: nn.Module = model_class(*self.arguments)
        model.load_state_dict(dict(state))
        return model


def architecture_class(name: str) -> type[CompressionModel]:
    """CompressAI's class of an architecture id."""
    from compressai.zoo.image import model_architectures as image_classes
    from compressai.zoo.video import model_architectures as video_classes

    known: dict[str, type[CompressionModel]] = {**image_classes, **video_classes}
    return {key.replace("_", "-"): value for key, value in known.items()}[name]


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, never unpickling code, old key names renamed.

    Where the file's name holds a hash, as published ones do, the content must have it.
    """
    from compressai.zoo.pretrained import load_pretrained

    named = _HASHED_NAME.search(path.name)
    if named and hashlib.sha256(path.read_bytes()).hexdigest()[:8] != named[1]:
        raise CardError(f"{path}: content does not have the hash {named[1]}; download it again")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
        detail = " ".join(str(error).split())[:120]
        raise CardError(f"{path}: not a readable PyTorch checkpoint ({detail})") from error
    for key in _NESTED:
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, dict) or not all(
        isinstance(value, Tensor) for value in checkpoint.values()
    ):
        raise CardError(f"{path}: holds no table of tensors; save model.state_dict()")
    tensors: dict[str, Tensor] = load_pretrained(checkpoint)
    return tensors


def parse_arguments(codec: str, text: str) -> tuple[int, ...]:
    """Constructor arguments of the setting ``arguments``, such as ``128+192``."""
    try:
        return tuple(int(word) for word in text.split("+") if word)
    except ValueError as error:
        raise UsageError(
            f"codec {codec}: arguments {text!r} are not whole numbers; write N+M such as 128+192"
        ) from error
