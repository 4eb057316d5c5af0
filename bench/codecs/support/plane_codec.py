"""What codecs have in common whose encoders take planes and whose decoders write Y'CbCr: colour,
sizes, the ledger of their streams and side information."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from bench import colour
from bench.bitstreams import Stripped, annexb, obu
from bench.codecs.base import CodecBase, Encoded
from bench.codecs.support.framing import SideInfo
from bench.codecs.support.planes import PlaneFormat, through_planes
from bench.errors import BitstreamError, CodecError
from bench.records import Point
from bench.signals import RGB, Chroma, Layout, PixelFormat, Signal


class PlaneCodec(CodecBase):
    """A codec whose decoder writes Y'CbCr, of which the harness makes the samples; what the encoder
    codes are the planes of ``coded_format``."""

    standard: ClassVar[annexb.Standard | obu.Standard]
    largest_side: ClassVar[int]

    @abstractmethod
    def decode_as(self, payload: bytes, *, planes: bool) -> tuple[Signal, PlaneFormat]:
        """The samples of the source's format, or the planes as the decoder wrote them, and how
        those are to be read."""

    def decode(self, payload: bytes) -> Signal:
        return self.decode_as(payload, planes=False)[0]

    def decode_planes(self, payload: bytes) -> tuple[Signal, PlaneFormat]:
        """What the decoder wrote, before any conversion, so that others can be tried on it."""
        return self.decode_as(payload, planes=True)

    @abstractmethod
    def coded_format(self, layout: Layout) -> PlaneFormat:
        """The planes that the encoder gets for a signal of ``layout``."""

    @abstractmethod
    def chroma_of(self, kind: PixelFormat) -> Chroma:
        """The chroma format in which samples are coded."""

    def strip(self, stream: bytes) -> Stripped:
        """What the encoder wrote, without what no decoder needs."""
        return self.standard.strip(stream)

    def count_pictures(self, stream: bytes) -> int:
        """Frames that the stripped stream shows. Raises BitstreamError for a foreign stream."""
        return self.standard.count_pictures(stream)

    def refusal(self, layout: Layout) -> str | None:
        if max(layout.width, layout.height) > self.largest_side:
            return (
                f"{self.card.id} codes at most {self.largest_side} pixels a side, "
                f"not {layout.width}x{layout.height}"
            )
        return None

    def compared_depth(self) -> int | None:
        depth = self.settings.get("depth")
        return None if depth is None else int(depth)

    def colour_path(self, signal: Signal) -> Signal | None:
        if signal.layout.samples != "rgb":
            return None
        return through_planes(signal, self.coded_format(signal.layout))

    def resampling(self) -> Mapping[str, str]:
        """The version of the conversion of chroma, where RGB is coded with half of it."""
        return colour.CHROMA_RESAMPLING if self.chroma_of(RGB) == "420" else {}

    def packed(self, stream: bytes, layout: Layout, point: Point, side: bytes, who: str) -> Encoded:
        """The payload of what an encoder wrote, behind its side information. Raises CodecError
        where it did not code each frame."""
        stripped = self.strip(stream)
        count = self.count_pictures(stripped.payload)
        if count != layout.frames:
            raise CodecError(
                f"{self.card.id} at {point}: {who} coded {count} frames of {layout.frames}"
            )
        return Encoded(
            side + stripped.payload,
            header_bytes=len(side) + stripped.header_bytes,
            discarded_bytes=stripped.discarded_bytes,
        )


def source_layout(
    info: SideInfo | None, kind: PixelFormat, coded: PlaneFormat, count: int
) -> Layout:
    """The layout of what was coded as these planes: of this kind, at the decoder's depth where that
    is greater, cropped as side information says. Raises BitstreamError where it is larger."""
    width = (info and info.width) or coded.width
    height = (info and info.height) or coded.height
    if width > coded.width or height > coded.height:
        raise BitstreamError(
            f"decoded {coded.width}x{coded.height} where {width}x{height} was coded"
        )
    if kind.is_yuv and coded.depth > kind.depth:
        kind = replace(kind, depth=coded.depth)
    return Layout("image" if count == 1 else "video", kind, width, height)
