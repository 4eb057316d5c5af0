"""AV2 by AVM, the reference software of the Alliance for Open Media.

Planes go in and come out as Y4M and are coded at 10 bits; payloads are OBUs without metadata.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.bitstreams import obu
from bench.codecs.base import Allowed, Choice, Range
from bench.codecs.reference import ReferenceCodec
from bench.codecs.support.clip_settings import (
    CLIP_SETTINGS,
    ONCE,
    conflicts,
    frames_between,
    intra_interval,
    library_parameters,
    read_parameters,
)
from bench.codecs.support.planes import PlaneFormat, read_y4m_format
from bench.codecs.support.programs import Package
from bench.codecs.support.template import printed_lines, program_hash
from bench.records import CodedFrames, Point
from bench.signals import Layout

if TYPE_CHECKING:
    from bench.cards import CodecCard

_VERSION = re.compile(r"AV2 Encoder (\d[\w.-]*)")
_GIVEN: Mapping[str, str] = {
    "the ladder of qp": "qp end-usage cq-level min-q max-q min-qp max-qp target-bitrate",
    "the one thread of every encoder here": "threads row-mt",
    "what the harness says of the source": (
        "width height fps limit skip step input-bit-depth bit-depth profile monochrome i420 i422 "
        "i444 yv12 passes pass obu ivf webm output"
    ),
    "cpu-used": "cpu-used",
    "keyint": "kf-min-dist kf-max-dist disable-kf",
    "structure": "lag-in-frames auto-alt-ref",
}
"""Parameters of the program, and what says them already."""


class Avm(ReferenceCodec):
    """Constant quality, at one quantiser index. RGB is coded in 4:4:4, 4:2:0 with ``chroma=420``;
    gray without chroma."""

    package = Package(
        "AVM", "1.0.0", "BSD 3-clause clear licence", "https://gitlab.com/AOMediaCodec/avm",
        "BENCH_AVM",
    )  # fmt: skip
    software = "AVM"
    encoder_names = ("avmenc",)
    decoder_names = ("avmdec",)
    standard = obu.AV2
    exchanged = "y4m"
    ladder_keys = ("qp",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        **CLIP_SETTINGS,
        "qp": Range(0, 255),
        "cpu-used": Range(0, 9),
        "chroma": Choice((444, 420)),
        "params": library_parameters("enable-palette=0"),
        "frames": Range(1, 100000),
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        given = read_parameters(card.settings.get("params", "")) or {}
        interval = intra_interval(card.settings)
        for name, what in _GIVEN.items():
            if given.keys() & set(what.split()) and (name != "keyint" or interval is not None):
                return {"params": name}
        return conflicts(card.settings)

    def versions(self) -> Mapping[str, str]:
        encoder = str(self._encoder())
        said = _VERSION.search("\n".join(printed_lines((encoder, "--help"))))
        return {
            self.software: said[1] if said else program_hash(encoder),
            **self.resampling(),
        }

    def command(self, layout: Layout, point: Point) -> Sequence[str]:
        coded, settings = self.coded_format(layout), self.settings
        interval = intra_interval(settings)
        between = frames_between(interval or ONCE, layout.frames)
        structure = settings.get("structure", "random-access")
        options = {
            "qp": point.value,
            "cpu-used": settings.get("cpu-used", 3),
            "input-bit-depth": coded.depth,
            "limit": layout.frames,
            "kf-max-dist": between,
            "lag-in-frames": 0 if structure == "low-delay" else 19,
            **(read_parameters(settings.get("params", "")) or {}),
        }
        return (
            *(str(self._encoder()), "--obu", "--output=coded.bin", "--end-usage=q"),
            *("--passes=1", "--threads=1", "--row-mt=0", "--bit-depth=10"),
            *(("--monochrome",) if coded.chroma == "400" else ()),
            *(f"--{key}={value}" for key, value in options.items()),
            "input.y4m",
        )

    def decoder_command(self, stream: str, written: str) -> Sequence[str]:
        return (str(self._decoder()), f"--output={written}", stream)

    def decoded_format(self, stream: bytes, written: Path, count: int) -> PlaneFormat:
        with written.open("rb") as file:
            return replace(read_y4m_format(file).planes, shifted=True)

    def frames_in(self, stream: bytes, log: str) -> CodedFrames | None:
        return CodedFrames(tuple(map(len, obu.AV2.temporal_units(stream))))
