"""Uncompressed video files: Y4M and headerless YUV, gray or RGB, at their own depth and chroma.

Reads frame by frame; decodes nothing and converts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import IO

import numpy as np

from bench.bitstreams import y4m
from bench.datasets.clip_names import SaidByName, read_name
from bench.datasets.sources import NO_RATE, UNSAID_RATE, OneFile, Refusal, pixel_shape
from bench.errors import BitstreamError, DataError
from bench.signals import FORMATS, FULL_RANGE, YUV420, Frame, Layout, PixelFormat, Samples

RAW_FORMATS: dict[str, PixelFormat] = {
    **{name: kind for name, kind in FORMATS.items() if not name.startswith("gbrp")},
    **FULL_RANGE,
    "i420": YUV420,
    "nv12": YUV420,
    "p010le": PixelFormat("yuv420", 10),
}
"""The names of ``--format``, as ffmpeg has them: ``yuvj420p`` is 4:2:0 in full range."""
_INTERLEAVED = {"nv12": 0, "p010le": 6}
"""Formats whose U and V lie beside each other, and how many bits their samples are shifted by."""
_BY_SUFFIX = {".yuv": "yuv420p", ".rgb": "rgb24", ".gray": "gray"}
"""What a raw file is taken for whose name says its size, but not its format."""
_Y4M_SAMPLES: dict[str, Samples] = {
    "mono": "gray", "420": "yuv420", "422": "yuv422", "444": "yuv444"
}  # fmt: skip
_Y4M_DEPTHS = (8, 10, 12)


@dataclass(frozen=True, slots=True)
class Y4mFile(OneFile):
    """A YUV4MPEG2 file: mono, 4:2:0, 4:2:2 or 4:4:4 of 8, 10 or 12 bits."""

    def facts(self) -> tuple[str, ...]:
        with self.path.open("rb") as file:
            header = y4m.read_header(file)
        found = [pixel_shape(header.pixel_shape), "full range" if header.range == "full" else ""]
        found += [] if header.says_rate else [UNSAID_RATE]
        return tuple(filter(None, found))

    def layout(self) -> Layout:
        size = self.path.stat().st_size
        with self.path.open("rb") as file:
            header = _y4m_layout(file)
            count = 0
            while _to_frame(file, count + 1):
                count += 1
                if file.tell() + header.frame_bytes > size:
                    raise Refusal(f"truncated in frame {count}; get it again")
                file.seek(header.frame_bytes, 1)
        if count == 0:
            raise Refusal("no frames after its header; get it again")
        next(self.frames())  # refuses what only samples say
        return replace(header, frames=count)

    def frames(self) -> Iterator[Frame]:
        with self.path.open("rb") as file:
            header = _y4m_layout(file)
            count = 0
            while _to_frame(file, count + 1):
                count += 1
                frame = _read_frame(file, header, count)
                if header.depth > 8 and (most := int(frame.max())) > header.format.peak:
                    raise Refusal(
                        f"samples up to {most} in frame {count}, more than {header.depth} bits "
                        "hold; correct the C of its header"
                    )
                yield frame


@dataclass(frozen=True, slots=True)
class RawFile(OneFile):
    """Headerless frames one after the other, of the size, format and rate that the command line or
    the file's name says; what contradicts each other or the file's bytes is refused."""

    size: tuple[int, int] | None = None
    format: str | None = None
    fps: Fraction | None = None

    def layout(self) -> Layout:
        template = self._template()
        size, frame = self.path.stat().st_size, template.frame_bytes
        if size == 0:
            raise Refusal("empty (0 bytes); get it again")
        if size % frame:
            raise Refusal(
                f"{size} bytes are {size // frame} frames of {frame} bytes ({template.width}×"
                f"{template.height} {template.format.name}) and {size % frame} bytes; get it "
                "again, or correct what says that (--size, --format, its name, a card)"
            )
        count = size // frame
        with self.path.open("rb") as file:
            for place in sorted({0, count // 2, count - 1}):
                file.seek(place * frame)
                self._check(_read_frame(file, template, place + 1), template)
        return replace(template, frames=count)

    def facts(self) -> tuple[str, ...]:
        said, template, found = self._said, self._template(), []
        if self.format is None and said.said_format is None:
            found += [f"taken as {template.format.name}, which no name and no --format says"]
        if self.fps is None and said.fps is None:
            found += [NO_RATE]
        return tuple(found)

    def frames(self) -> Iterator[Frame]:
        template = self._template()
        with self.path.open("rb") as file:
            for number in range(1, -(-self.path.stat().st_size // template.frame_bytes) + 1):
                yield self._planar(_read_frame(file, template, number), template)

    @property
    def _said(self) -> SaidByName:
        return read_name(self.path.stem)

    @property
    def _named(self) -> str | None:
        usual = _BY_SUFFIX.get(self.path.suffix.lower()) if self._said.size else None
        return self.format or self._said.said_format or usual

    def _template(self) -> Layout:
        """The layout of one frame."""
        said, asked = self._said, self.size
        size, name = asked or said.size, self._named
        if size is None or name is None:
            raise Refusal(
                "raw video has no header; give --size, such as 416x240, and --format: "
                f"{', '.join(RAW_FORMATS)}; or name it as in Clip_416x240_50fps_420_8bit.yuv"
            )
        if said.size not in (None, size):
            raise Refusal(f"{_contradiction(said.size, '--size', size)}")
        if said.contradicts(name):
            if self.format is None:
                raise Refusal(f"its name says {said.words}, which is not read; convert it, or give "
                              f"--format: {', '.join(RAW_FORMATS)}")  # fmt: skip
            raise Refusal(_contradiction(said.words, "--format", name))
        if self.fps and said.fps and self.fps != said.fps:
            raise Refusal(_contradiction(said.fps, "--fps", self.fps))
        fps = self.fps or said.fps or Fraction(25)
        return Layout("video", RAW_FORMATS[name], *size, 1, fps)

    def _planar(self, frame: Frame, template: Layout) -> Frame:
        """Y, U and V one after the other, where U and V lie beside each other."""
        shift = _INTERLEAVED.get(str(self._named))
        if shift is None:
            return frame
        luma = template.width * template.height
        both = frame[luma:]
        planar: Frame = np.concatenate([frame[:luma], both[0::2], both[1::2]]) >> shift
        return planar

    def _check(self, frame: Frame, template: Layout) -> None:
        """Raises Refusal where a frame's bytes are plainly those of another depth."""
        depth, shift = template.depth, _INTERLEAVED.get(str(self._named)) or 0
        if depth > 8:
            if shift and (frame & ((1 << shift) - 1)).any():
                raise Refusal(f"samples of {16 - shift} bits are not in its upper bits, as "
                              f"{self._named} has them; correct --format")  # fmt: skip
            most = int(frame.max()) >> shift
            if most > template.format.peak:
                raise Refusal(
                    f"samples up to {most}, more than {depth} bits hold; it is of 8 bits, of more "
                    "or big-endian: correct --format"
                )
            return
        flat = frame.reshape(-1)
        odd, even = flat[1::2], flat[0::2]
        if odd.size and odd.max() <= 15 < even.max() and odd.any():
            bits = 10 if odd.max() <= 3 else 12
            raise Refusal(
                f"every second byte is at most {odd.max()}, as of samples of {bits} bits, not 8; "
                f"give --format {template.format.name}{bits}le"
            )


def _contradiction(said: object, option: str, given: object) -> str:
    words = ["x".join(map(str, one)) if isinstance(one, tuple) else one for one in (said, given)]
    return f"its name says {words[0]}, {option} {words[1]}; correct the name or leave out {option}"


def raw_size(text: str | None) -> tuple[int, int] | None:
    """Width and height of ``--size``. Raises DataError."""
    if text is None:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) and int(height)):
        raise DataError(f"--size {text!r} is not WIDTHxHEIGHT, such as 416x240")
    return int(width), int(height)


def check_format(name: str | None) -> str | None:
    """The word of ``--format``. Raises DataError for one that there is not."""
    if name is not None and name not in RAW_FORMATS:
        raise DataError(f"--format {name!r} is not one of {', '.join(RAW_FORMATS)}")
    return name


def _read_frame(file: IO[bytes], layout: Layout, number: int) -> Frame:
    content = file.read(layout.frame_bytes)
    if len(content) != layout.frame_bytes:
        raise Refusal(f"truncated in frame {number}; get it again")
    return np.frombuffer(content, layout.frame_dtype).reshape(layout.frame_shape)


def _to_frame(file: IO[bytes], number: int) -> bool:
    """Whether there is a frame of this number; the file is then at its samples."""
    try:
        return y4m.read_marker(file)
    except BitstreamError as error:
        raise Refusal(f"truncated or corrupt at frame {number}: {error}; get it again") from error


def _y4m_layout(file: IO[bytes]) -> Layout:
    """The layout of one frame, from the header."""
    try:
        header = y4m.read_header(file)
    except BitstreamError as error:
        raise Refusal(
            f"{error}; get it again, or rename it if it is raw YUV and give --size, --format"
        ) from error
    if not header.progressive:
        raise Refusal("interlaced; deinterlace it first")
    if header.chroma not in _Y4M_SAMPLES or header.depth not in _Y4M_DEPTHS:
        raise Refusal(
            f"C{header.colour}, which is not read; convert it to mono, 4:2:0, 4:2:2 or 4:4:4 of 8, "
            "10 or 12 bits"
        )
    kind = PixelFormat(_Y4M_SAMPLES[header.chroma], header.depth, range=header.range)
    return Layout("video", kind, header.width, header.height, 1, header.fps)
