"""BPG through the programs of libbpg: pictures as PNG files in, PPM files out.

The conversion to Y'CbCr is bpgenc's own, since a BPG file says how its samples become RGB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from bench.bitstreams import Stripped, bpg
from bench.codecs.base import Allowed, Choice, Range
from bench.codecs.support import exchange
from bench.codecs.support.programs import Package, places_of_program, written
from bench.codecs.support.still import StillCodec
from bench.codecs.support.template import Template, first_line
from bench.errors import BitstreamError, CodecError
from bench.records import Point
from bench.signals import Frame, Layout

if TYPE_CHECKING:
    from bench.cards import CodecCard

_PACKAGE = Package(
    "libbpg", "0.9.8", "GPL 2, its decoder LGPL", "https://bellard.org/bpg/", "BENCH_BPG"
)
_ELSEWHERE = "Could not open '/tmp/"
"""What libbpg as published says with its jctvc encoder, which keeps its planes there."""
_NARROWEST_OF_X265 = 25
"""In pixels; on narrower pictures the x265 of libbpg 0.9.8 crashes, whatever their height."""
_AFTER_THE_END = b"\xff" * 64
"""Put behind a file: what a decoder that reads on past its end then takes for picture data."""


class Bpg(StillCodec):
    """BPG with one of libbpg's two HEVC encoders; gray is coded as 4:0:0.

    ``colour`` is what RGB becomes: ``ycbcr`` is BT.601. x265 inside bpgenc starts as many threads
    as the machine has cores.
    """

    ladder_keys = ("qp",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "qp": Range(0, 51),
        "encoder": Choice(("x265", "jctvc")),
        "chroma": Choice((444, 420)),
        "depth": Choice((8, 10)),
        "colour": Choice(("ycbcr", "ycbcr_bt709", "rgb", "ycgco")),
        "level": Range(1, 9),
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        found = {}
        if settings.get("encoder") == "jctvc":
            found["level"] = "encoder=jctvc"
        if settings.get("colour") == "rgb" and settings.get("chroma") == 420:
            found["chroma"] = "colour=rgb"
        return {key: other for key, other in found.items() if key in settings}

    def refusal(self, layout: Layout) -> str | None:
        if self.settings.get("encoder", "x265") == "x265" and layout.width < _NARROWEST_OF_X265:
            return (
                f"{self.card.id}: bpgenc with x265 codes pictures of at least "
                f"{_NARROWEST_OF_X265} pixels in width, not {layout.width}; use encoder=jctvc"
            )
        return super().refusal(layout)

    def check_available(self) -> None:
        self._program("bpgenc")
        self._program("bpgdec")

    def versions(self) -> Mapping[str, str]:
        said = first_line((self._program("bpgenc"), "-h"))
        return {"libbpg": said.rpartition(" ")[2]}

    def reads(self) -> tuple[Path, ...]:
        return tuple(places_of_program(Path(self._program("bpgdec"))))

    def _program(self, name: str) -> str:
        return str(_PACKAGE.program(self.card.id, (name,)))

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        settings = self.settings
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            exchange.write_picture(folder / "input.png", pixels)
            said = self._run(
                folder,
                *("bpgenc", "-q", str(point.value), "-e", str(settings.get("encoder", "x265"))),
                *("-f", str(settings.get("chroma", 444)), "-b", str(settings.get("depth", 8))),
                *("-c", str(settings.get("colour", "ycbcr"))),
                *("-m", str(settings.get("level", 8)), "-o", "coded.bpg", "input.png"),
            )
            coded = written(folder / "coded.bpg", f"{self.card.id}: bpgenc", "file", said)
            return bpg.strip(coded.read_bytes())

    def decode_picture(self, file: bytes) -> Frame:
        # bpgdec reads on past the end of a file that is cut inside its headers
        bpg.strip(file)
        pixels = self._decoded(file)
        # and inside its slices, where no length and no checksum tells; then what follows matters
        if not np.array_equal(pixels, self._decoded(file + _AFTER_THE_END)):
            raise BitstreamError(
                f"{self.card.id}: bpgdec reads on past the end of the {len(file)} bytes, so that "
                "the file is cut off or damaged"
            )
        return pixels[..., 0] if bpg.is_gray(file) else pixels

    def _decoded(self, file: bytes) -> Frame:
        """RGB; as PPM, since bpgdec takes four times as long with PNG."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            (folder / "coded.bpg").write_bytes(file)
            said = self._run(folder, "bpgdec", "-o", "output.ppm", "coded.bpg")
            who, output = f"{self.card.id}: bpgdec", folder / "output.ppm"
            return exchange.read_picture(written(output, who, "picture", said, BitstreamError))

    def _run(self, folder: Path, program: str, *arguments: str) -> str:
        words = (self._program(program), *arguments)
        try:
            return Template(self.card.id, words).run({}, folder)
        except CodecError as error:
            if _ELSEWHERE not in str(error):
                raise
            raise CodecError(
                f"{error}; isolated programs write into their own folder alone: use encoder=x265, "
                "or a libbpg whose jctvc encoder keeps its planes there (docs/reference_codecs.md)"
            ) from error
