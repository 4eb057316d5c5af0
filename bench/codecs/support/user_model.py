"""A user's own network: found by the words of a card, built, and given its checkpoint.

Owns names, files and their mistakes; codes nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor, nn

from bench.codecs.support.nested_bytes import NestedBytes
from bench.codecs.support.zoo_weights import read_checkpoint
from bench.errors import CardError, Unavailable
from bench.processes.isolation import launch_folder

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.records import Point

_FIELD = re.compile(r"\{(\w+)\}")


class CompressionNetwork(Protocol):
    """What CompressAI's models offer: the coding side of a network."""

    def compress(self, x: Tensor) -> Mapping[str, NestedBytes]: ...

    def decompress(self, strings: NestedBytes, shape: NestedBytes) -> Mapping[str, Tensor]: ...


class VideoCompressionNetwork(Protocol):
    """The same of networks for clips, such as ``ssf2020``."""

    def compress(self, frames: list[Tensor]) -> tuple[NestedBytes, NestedBytes]: ...

    def decompress(self, strings: NestedBytes, shapes: NestedBytes) -> list[Tensor]: ...


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The settings ``model``, ``weights`` and ``arguments`` of a card.

    ``folder`` is the card's: relative checkpoints are looked for in the current folder, then there.
    """

    codec: str
    model: str
    weights: str
    arguments: Mapping[str, object]
    folder: Path

    @classmethod
    def of(cls, card: CodecCard) -> ModelSource:
        """Raises CardError for a card without ``model`` or ``weights``."""
        settings = card.settings
        for key in ("model", "weights"):
            if not settings.get(key):
                raise CardError(f"codec {card.id}: settings.{key} is missing; add it")
        return cls(
            card.id,
            str(settings["model"]),
            str(settings["weights"]),
            dict(settings.get("arguments", {})),
            card.folder,
        )

    def check_ladder(self, points: Sequence[Point]) -> None:
        """Raises CardError where two points would be measured with one checkpoint."""
        fields = _FIELD.findall(self.weights)
        for name in fields:
            if any(point.key != name for point in points):
                raise CardError(
                    f"codec {self.codec}: weights {self.weights!r} has the placeholder "
                    f"{{{name}}}, but the ladder's key is {points[0].key!r}"
                )
        seen: dict[str, Point] = {}
        for point in points:
            path = self.candidates(point)[0]
            mark = file_digest(found) if (found := self._found(point)) else str(path)
            if mark in seen:
                raise CardError(
                    f"codec {self.codec}: {seen[mark]} and {point} are one checkpoint, {path}: it "
                    f"would be measured twice; put {{{point.key}}} into weights, or leave one point"
                )
            seen[mark] = point

    def candidates(self, point: Point) -> tuple[Path, ...]:
        """Where a point's checkpoint may lie."""
        name = _FIELD.sub(lambda _: str(point.value), self.weights)
        path, here = Path(name).expanduser(), launch_folder()
        return (path,) if path.is_absolute() else (here / path, here / self.folder / path)

    def checkpoint(self, point: Point) -> Path:
        """The checkpoint of a point. Raises Unavailable naming where it was looked for."""
        found = self._found(point)
        if found is None:
            places = " or ".join(str(path) for path in self.candidates(point))
            raise Unavailable(f"codec {self.codec}: no checkpoint for {point}: {places} is missing")
        return found

    def digest(self, point: Point) -> str:
        """Hash of a point's checkpoint."""
        return file_digest(self.checkpoint(point))

    def _found(self, point: Point) -> Path | None:
        return next((path for path in self.candidates(point) if path.is_file()), None)

    def load(self, point: Point) -> nn.Module:
        """The network of a point in evaluation mode, its coding tables made.

        Raises CardError for a model that cannot be built or does not fit its checkpoint.
        """
        path = self.checkpoint(point)
        state = read_checkpoint(path)
        build = self.importable()
        try:
            network = self._built(build, state)
        except Exception as error:  # whatever a user's constructor raises
            detail = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise CardError(
                f"codec {self.codec}: {path} does not fit {self.model} with arguments "
                f"{dict(self.arguments)} ({detail}); change settings.arguments or weights"
            ) from error
        if not isinstance(network, nn.Module):
            raise CardError(
                f"codec {self.codec}: {self.model} gives a {type(network).__name__}, not a "
                "torch.nn.Module"
            )
        update = getattr(network, "update", None)
        if callable(update):
            update()
        return network.eval()

    def _built(self, build: object, state: Mapping[str, Tensor]) -> object:
        from_state_dict = getattr(build, "from_state_dict", None)
        if from_state_dict is not None and not self.arguments:
            return from_state_dict(dict(state))
        network = build(**self.arguments)  # type: ignore[operator]
        if isinstance(network, nn.Module):
            network.load_state_dict(dict(state))
        return network

    def importable(self) -> object:
        """The class or function that ``model`` names. Raises CardError if it cannot be imported."""
        module, colon, name = self.model.partition(":")
        if not colon or not name:
            raise CardError(
                f"codec {self.codec}: model is {self.model!r}; write package.module:Class"
            )
        here = str(Path.cwd())
        if here not in sys.path:
            sys.path.insert(0, here)
        try:
            found: object = getattr(importlib.import_module(module), name)
        except Exception as error:  # a user's module may raise anything while it is imported
            detail = f"{type(error).__name__}: {error}"
            raise CardError(
                f"codec {self.codec}: model {self.model!r} cannot be imported from {here}: {detail}"
            ) from error
        if not callable(found):
            raise CardError(f"codec {self.codec}: {self.model} is no class or function")
        return found

    def code_digest(self) -> str:
        """Hash of the file that defines the model: another network is another measurement."""
        module = sys.modules[getattr(self.importable(), "__module__", "")]
        file = getattr(module, "__file__", None)
        return file_digest(Path(file)) if file else "unknown"


def coder(network: nn.Module) -> CompressionNetwork | None:
    """The network as a coder of pictures; None where it has only ``forward``."""
    return cast(CompressionNetwork, network) if _codes(network) else None


def video_coder(network: nn.Module) -> VideoCompressionNetwork | None:
    """The network as a coder of clips; None where it has only ``forward``."""
    return cast(VideoCompressionNetwork, network) if _codes(network) else None


def _codes(network: nn.Module) -> bool:
    return all(callable(getattr(network, name, None)) for name in ("compress", "decompress"))


def file_digest(path: Path) -> str:
    """First half of a file's sha256; computed again when the file changes."""
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@cache
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]
