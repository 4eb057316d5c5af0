"""Pictures and clips that other programs left: PNG and PPM, Y4M, raw YUV, folders of pictures.

4:2:0 planes stay as they are, unless a card says by which matrix and range they become RGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from bench import colour
from bench.bitstreams import y4m
from bench.codecs.base import Choice
from bench.codecs.support import exchange
from bench.codecs.support.planes import PlaneFormat
from bench.datasets.clips import PictureClip
from bench.datasets.rawvideo import RAW_FORMATS, RawFile, Y4mFile, raw_size
from bench.datasets.sources import Refusal, Source, natural_key
from bench.errors import CodecError, DataError
from bench.signals import GRAY, RGB, Frame, Layout, Matrix, Range, Signal, image

PLANES = (".y4m", ".yuv")
"""Suffixes of files whose samples are planes."""
MATRICES, RANGES = Choice(("bt709", "bt601", "bt2020")), Choice(("full", "limited"))
FORMATS = Choice(tuple(RAW_FORMATS))
_PICTURES = (".png", ".ppm")
_RATE = Fraction(25)


@dataclass(frozen=True, slots=True)
class Convention:
    """What a card says of files that do not say it themselves.

    With a ``matrix`` 4:2:0 and 4:4:4 planes become RGB, else they stay.
    """

    codec: str
    size: str | None = None
    format: str | None = None
    matrix: Matrix | None = None
    range: Range | None = None

    @property
    def words(self) -> str:
        """The colour convention, for a table's footnote."""
        if self.matrix is None:
            return "planes as they are"
        return f"{self.matrix} of {self.range or 'the range that a file says'} to RGB"

    def read(self, path: Path, source: Layout | None = None) -> Signal:
        """The picture or clip of a file or folder; ``source`` gives size and frame rate where
        nothing else does. Raises CodecError."""
        if path.suffix in _PICTURES and path.is_file():
            return image(exchange.read_picture(path))
        try:
            return self._clip(path, source)
        except (Refusal, DataError) as error:
            raise CodecError(f"{self.codec}: {path}: {error}") from error

    def _clip(self, path: Path, source: Layout | None) -> Signal:
        rate = source.fps if source else _RATE
        if path.is_dir():
            named = [one for one in path.iterdir() if one.suffix in _PICTURES]
            return self._signal(PictureClip(tuple(sorted(named, key=natural_key)), rate))
        if path.suffix == ".yuv":
            size = self.size or (f"{source.width}x{source.height}" if source else None)
            planar = source is None or source.samples == "yuv420" or self.matrix is not None
            kind = self.format or ("yuv420p" if planar else None)
            return self._signal(RawFile(path, raw_size(size), kind, rate))
        if path.suffix != ".y4m":
            raise Refusal("is neither PNG, PPM, Y4M, .yuv nor a folder of pictures")
        with path.open("rb") as file:
            header = y4m.read_header(file)
        if header.chroma == "444" or header.depth > 8:
            return self._converted(path, header)
        return self._signal(Y4mFile(path))

    def _converted(self, path: Path, header: y4m.Y4mHeader) -> Signal:
        """A Y4M file of 4:4:4 or more bits, of which only BT.709 in full range becomes RGB."""
        told = header.range or self.range
        if header.chroma != "mono" and (self.matrix, told) != ("bt709", "full"):
            raise Refusal(
                f"is C{header.colour}, matrix {self.matrix or 'unsaid'}, range {told or 'unsaid'}; "
                'convert it to PNG, or say matrix = "bt709", range = "full" where it is so'
            )
        kind = GRAY if header.chroma == "mono" else RGB
        layout = Layout("video", kind, header.width, header.height, fps=header.fps)
        return exchange.read_video(path, layout, PlaneFormat("444", 8, layout.width, layout.height))

    def _signal(self, found: Source) -> Signal:
        layout = found.layout()
        if layout.samples != "yuv420" or self.matrix is None:
            return Signal(layout, found.frames)
        told = layout.format.range or self.range
        if told is None:
            raise Refusal('does not say its range; say range = "full" or "limited"')
        coded = replace(layout, format=replace(layout.format, range=told, matrix=self.matrix))
        rgb = replace(layout, format=RGB)

        def frames() -> Iterator[Frame]:
            return (colour.shown(frame, coded) for frame in found.frames())

        return Signal(rgb, frames)


def contents(path: Path) -> Iterator[tuple[str, int, int]]:
    """Names, sizes and times of change of a file, or of the files of a folder."""
    for one in sorted(path.iterdir()) if path.is_dir() else (path,):
        status = one.stat()
        yield one.name, status.st_size, status.st_mtime_ns
