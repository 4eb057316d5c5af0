"""A Python codec that cheats: it fetches the picture from where its encoder or a loader left it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image

from bench.codecs.base import Allowed, Choice, CodecBase, Encoded, Text
from bench.records import Point
from bench.signals import Signal, image

_PAYLOAD = b"8 bytes."


class Peeking(CodecBase):
    """``way``: a file in the folder ``place``, in the module's folder or among installed packages,
    the original, a module variable, or the environment's data folder."""

    parameters: ClassVar[Mapping[str, Allowed]] = {
        "way": Choice(("place", "beside", "package", "original", "early", "data", "named")),
        "place": Text("folder"),
    }

    def __init__(self, card: object, **options: str) -> None:
        super().__init__(card, **options)  # type: ignore[arg-type]
        self.remembered: np.ndarray | None = None
        if self.settings["way"] == "early" and self._stash.exists():
            self.remembered = np.load(self._stash)

    @property
    def _stash(self) -> Path:
        way, place = str(self.settings["way"]), Path(str(self.settings["place"]).replace("|", "/"))
        if way == "beside":
            return Path(__file__).with_name("stash.npy")
        if way == "package":
            return Path(np.__file__).with_name("stash.npy")
        return place / "stash.npy"

    def encode(self, signal: Signal, point: Point) -> Encoded:
        (frame,) = signal.frames()
        if self.settings["way"] not in ("original", "data"):
            np.save(self._stash, frame)
        return Encoded(_PAYLOAD)

    def decode(self, payload: bytes) -> Signal:
        way, place = self.settings["way"], str(self.settings["place"]).replace("|", "/")
        if way == "original":
            return image(np.asarray(Image.open(Path(place) / "p.png")))
        if way == "data":
            return image(np.asarray(Image.open(Path(os.environ["BENCH_DATA"]) / "p.png")))
        if self.remembered is not None:
            return image(self.remembered)
        return image(np.load(self._stash))
