"""Clips that are folders of numbered pictures, read frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from bench.datasets.pictures import decode_picture, header_layout
from bench.datasets.sources import Refusal, frame_gap
from bench.signals import Frame, Layout

Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class PictureClip:
    """Frames in the order of ``paths``, all of one size and kind."""

    paths: tuple[Path, ...]
    fps: Fraction = Fraction(25)

    def layout(self) -> Layout:
        if gap := frame_gap(self.paths):
            raise Refusal(f"{gap}; put it back or rename the frames")
        first: Layout | None = None
        for path in self.paths:
            one = _named(path, header_layout)
            first = first or one
            if one != first:
                raise Refusal(
                    f"frame {path.name} is {one.width}×{one.height} {one.format}, "
                    f"{self.paths[0].name} {first.width}×{first.height} {first.format}; "
                    "all frames of a clip must be alike"
                )
        if first is None:
            raise Refusal("has no frames")
        return replace(first, media="video", frames=len(self.paths), fps=self.fps)

    def facts(self) -> tuple[str, ...]:
        return ()

    def digest(self) -> str:
        digest = sha256()
        for path in self.paths:
            digest.update(sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def places(self) -> tuple[Path, ...]:
        return self.paths

    def frames(self) -> Iterator[Frame]:
        for path in self.paths:
            yield _named(path, decode_picture)


def _named(path: Path, read: Callable[[bytes, str], Read]) -> Read:
    """``read`` of a frame's file, its name in front of what is wrong with it."""
    try:
        return read(path.read_bytes(), path.suffix)
    except Refusal as refusal:
        raise Refusal(f"frame {path.name}: {refusal}") from refusal
