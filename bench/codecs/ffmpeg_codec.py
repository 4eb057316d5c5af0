"""What all encoders of ffmpeg have in common: planes through pipes, streams without signatures and
containers, side information, rate control, and decoding of a stream that ffmpeg reads.

One thread per process; encoders and their options are in ffmpeg.py and aom.py.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import ffmpeg

from bench.codecs.base import THEN, Allowed, Choice, Encoded, Range
from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.clip_settings import (
    CLIP_SETTINGS,
    conflicts,
    intra_interval,
    library_parameters,
    read_parameters,
)
from bench.codecs.support.coded_frames import frames_of_units
from bench.codecs.support.frame_progress import log_of_ffmpeg
from bench.codecs.support.framing import SideInfo, read_side_info
from bench.codecs.support.plane_codec import PlaneCodec, source_layout
from bench.codecs.support.planes import (
    DecodedFormat,
    PlaneFormat,
    coded_planes,
    decoded_signal,
    planes_layout,
    read_y4m_format,
    y4m_places,
)
from bench.codecs.support.process import run_to_file
from bench.codecs.support.programs import places_of_program
from bench.errors import BitstreamError, CardError
from bench.records import CodedFrames, Point, Value
from bench.signals import GRAY, RGB, YUV420, Chroma, Layout, PixelFormat, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard

Options = dict[str, Value]
YUV: Mapping[Chroma, PixelFormat] = {
    "420": YUV420, "422": PixelFormat("yuv422"), "444": PixelFormat("yuv444"),
}  # fmt: skip
RATES: Mapping[str, Allowed] = {
    "kbps": Range(1, 1_000_000, integer=False),
    "passes": Choice((1, 2)),
    "params": library_parameters(),
    **CLIP_SETTINGS,
}
"""What all of them take: 1000 bits a second as an operating point, and settings."""
_SETTINGS_OF: Mapping[str, str] = {
    **{name: name for name in ("preset", "tune", "cpu-used")},
    "perceptqpa": "tune",
    "qpa": "tune",
}
"""Parameters of libraries that say what a setting of ours says; VVenC's leave it as it is."""


def formats_of(
    depths: Sequence[int], chromas: Sequence[Chroma] = ("420", "422", "444")
) -> tuple[str, ...]:
    """Gray, RGB of 8 bits and YUV of these chroma formats, at these depths, by ffmpeg's names."""
    kinds = [GRAY, *(YUV[chroma] for chroma in chromas)]
    deep = [replace(kind, depth=depth).name for depth in depths for kind in kinds]
    return ("rgb24", *deep)


class FfmpegCodec(PlaneCodec):
    """An encoder of ffmpeg whose stream ffmpeg decodes; subclasses name it and its options.

    Pictures are padded to even sizes for 4:2:0, unless ``odd_420``, and to ``smallest_side`` by
    repeating edges. The true size then goes ahead of the stream as counted side information, as
    does "gray" where the encoder has no 4:0:0.
    """

    encoder: ClassVar[str]
    muxer: ClassVar[str]
    library_key: ClassVar[str] = ""
    """ffmpeg's option for parameters of the encoder's own library; empty: it has none, and
    ``params`` are options of ffmpeg."""
    rate_parameters: ClassVar[frozenset[str]] = frozenset()
    """Parameters of the library that would take the place of the ladder, or clamp it."""
    thread_parameters: ClassVar[frozenset[str]] = frozenset()
    """Those with which times would not be those of one thread any more."""
    interval_parameters: ClassVar[frozenset[str]] = frozenset()
    """Those that say what ``keyint`` says."""
    structure_parameters: ClassVar[frozenset[str]] = frozenset()
    """Those that say what ``structure`` says."""
    has_400: ClassVar[bool] = False
    has_444: ClassVar[bool] = False
    depth: ClassVar[int] = 8
    odd_420: ClassVar[bool] = False
    smallest_side: ClassVar[int] = 1
    largest_side: ClassVar[int] = 16384

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        # VVenC takes its parameters in any case
        given = {key.lower() for key in read_parameters(settings.get("params", "")) or {}}
        if cls.rate_parameters & given:
            return {"params": f"the ladder of {card.rate_key}"}
        if cls.thread_parameters & given:
            return {"params": "the one thread of every encoder here"}
        if said := sorted(_SETTINGS_OF.keys() & given):
            return {"params": f"the setting {_SETTINGS_OF[said[0]]}, which every title tells"}
        if "passes" in settings and card.rate_key != "kbps":
            return {"passes": f"the ladder of {card.rate_key}"}
        interval = intra_interval(settings)
        if interval is not None and cls.interval_parameters & given:
            return {"params": f"keyint={interval}", "keyint": f"params={settings['params']}"}
        structure = settings.get("structure")
        if structure and cls.structure_parameters & given:
            clash = f"params={settings['params']}"
            return {"params": f"structure={structure}", "structure": clash}
        return conflicts(settings)

    def options(self, point: Point, layout: Layout) -> Options:
        """ffmpeg output options of the encoder, thread limits included."""
        raise NotImplementedError

    def rate(self, point: Point) -> Options:
        """The options of an operating point."""
        if point.key == "kbps":
            return {"b:v": f"{point.value}k"}
        return {point.key: point.value}

    def passes(self, point: Point) -> int:
        """How often the encoder goes through the clip."""
        return int(self.settings.get("passes", 1)) if point.key == "kbps" else 1

    @property
    def params(self) -> str:
        """The library's parameters that card or user give."""
        return str(self.settings.get("params", ""))

    def frames_in(self, stream: bytes) -> CodedFrames | None:
        """Type and bytes of each frame of a stripped stream."""
        return frames_of_units(stream, self.muxer)

    def coded_frames(self, payload: bytes) -> CodedFrames | None:
        return self.frames_in(read_side_info(payload)[1])

    def to_demuxer(self, stream: bytes) -> bytes:
        """The stripped stream as ffmpeg's demuxer of ``muxer`` reads it."""
        return stream

    def stream_format(self, stream: bytes, decoded: DecodedFormat) -> PixelFormat:
        """Kind of samples where no side information tells: what the stream itself signals. RGB and
        gray are coded as full range, YUV without a word of its range."""
        planes = decoded.planes
        if planes.chroma == "400":
            return PixelFormat("gray", planes.depth)
        if decoded.full_range or planes.chroma == "444":
            return RGB
        return replace(YUV[planes.chroma], depth=planes.depth)

    def coded_format(self, layout: Layout) -> PlaneFormat:
        chroma = self.chroma_of(layout.format)
        even = chroma in ("420", "422") and not self.odd_420
        steps = (1 + even, 1 + (even and chroma == "420"))
        width, height = (
            max(self.smallest_side, -(-side // step) * step)
            for side, step in zip((layout.width, layout.height), steps, strict=True)
        )
        depth = max(self.depth, layout.depth, int(self.settings.get("depth", 8)))
        return PlaneFormat(chroma, depth, width, height)

    def chroma_of(self, kind: PixelFormat) -> Chroma:
        if kind.is_yuv:
            return kind.chroma
        if kind.samples == "gray":
            return "400" if self.has_400 else "420"
        return "444" if self.has_444 and self.settings.get("chroma", 444) == 444 else "420"

    def refusal(self, layout: Layout) -> str | None:
        if layout.samples == "real":
            return f"{self.card.id} codes 8-bit pictures, not real numbers"
        return super().refusal(layout)

    def check_available(self) -> None:
        ffmpeg_binary.check_encoder(self.card.id, self.encoder)
        key, params = self.library_key, self.params
        given = {key: params} if key and params else read_parameters(params) or {}
        if said := ffmpeg_binary.complaint(self.encoder, given):
            raise CardError(f"codec {self.card.id}: {self.encoder} says {said!r}; change params")

    def reads(self) -> tuple[Path, ...]:
        return tuple(places_of_program(Path(ffmpeg_binary.find_ffmpeg())))

    def versions(self) -> Mapping[str, str]:
        return {**ffmpeg_binary.versions(self.encoder), **self.resampling()}

    def side_info(self, layout: Layout, coded: PlaneFormat) -> SideInfo | None:
        """What a decoder of the stream could not know."""
        if (coded.width, coded.height) != (layout.width, layout.height):
            return SideInfo(layout.format, layout.width, layout.height)
        told = layout.samples == "gray" and coded.chroma == "400"
        if told or layout.samples in ("rgb", "yuv420", "yuv422"):
            return None
        return SideInfo(layout.format)

    def command(self, layout: Layout, point: Point) -> Sequence[str]:
        coded = self.coded_format(layout)
        if self.passes(point) == 1:
            return self.encode_command(layout, coded, point)
        first, second = (self.encode_command(layout, coded, point, n, "pass") for n in (1, 2))
        return [*first, THEN, *second]

    def encode_command(
        self,
        layout: Layout,
        coded: PlaneFormat,
        point: Point,
        number: int = 0,
        log: str = "",
    ) -> list[str]:
        """The ffmpeg command from planes on standard input to the stream on standard output; of two
        passes the one of this ``number``, with the beginning of the name of the first one's log."""
        source = ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pix_fmt=coded.pix_fmt,
            s=f"{coded.width}x{coded.height}",
            framerate=str(layout.fps),
        )
        if layout.samples == "rgb":
            source = source.filter("setparams", range="pc", colorspace="bt709")
        elif layout.samples == "gray":
            source = source.filter("setparams", range="pc")
        options = {"c:v": self.encoder, "fps_mode": "passthrough", **self.options(point, layout)}
        options |= {"pass": number, "passlogfile": log} if number else {}
        muxer = "null" if number == 1 else self.muxer
        return ffmpeg_binary.command_of(ffmpeg.output(source, "pipe:1", format=muxer, **options))

    def _run(self, signal: Signal, coded: PlaneFormat, point: Point) -> bytes:
        """What the muxer writes, after a first pass where there are two."""
        layout = signal.layout
        if self.passes(point) == 1:
            return _written(self.encode_command(layout, coded, point), signal, coded)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            log = str(Path(folder, "pass"))
            for number in (1, 2):
                command = self.encode_command(layout, coded, point, number, log)
                stream = _written(command, signal, coded)
        return stream

    def encode(self, signal: Signal, point: Point) -> Encoded:
        layout = signal.layout
        coded = self.coded_format(layout)
        info = self.side_info(layout, coded)
        side = info.write() if info is not None else b""
        return self.packed(self._run(signal, coded, point), layout, point, side, self.encoder)

    def decode_command(self) -> list[str]:
        """The ffmpeg command from the stream on standard input to Y4M on standard output."""
        # r: an even pace, since time stamps of 120 frames a second would collide
        source = ffmpeg.input("pipe:0", format=self.muxer, threads=1, err_detect="explode", r=25)
        output = ffmpeg.output(
            source, "pipe:1", format="yuv4mpegpipe", strict="-1", fps_mode="passthrough"
        )
        return ffmpeg_binary.command_of(output.global_args("-xerror"))

    def decode_as(self, payload: bytes, *, planes: bool) -> tuple[Signal, PlaneFormat]:
        info, stream = read_side_info(payload)
        count = self.count_pictures(stream)
        with run_to_file(self.decode_command(), [self.to_demuxer(stream)]) as written:
            decoded = read_y4m_format(written)
            coded = decoded.planes
            places = y4m_places(written, coded)
            kind = info.format if info else self.stream_format(stream, decoded)
            if len(places) != count:
                raise BitstreamError(f"{self.card.id}: decoded {len(places)} frames of {count}")
            whole = source_layout(info, kind, coded, count)
            layout = planes_layout(coded, count) if planes else whole
            return decoded_signal(written, places, coded, layout), coded


def _written(command: Sequence[str], signal: Signal, coded: PlaneFormat) -> bytes:
    """What the encoder writes; it tells frames as they are coded, where a run asks for that."""
    command = [command[0], *log_of_ffmpeg(), *command[1:]]
    with run_to_file(command, coded_planes(signal, coded)) as stream:
        return stream.read()


def constant_quality(point: Point) -> Options:
    """The options of libvpx and libaom for a quality, or for one quantiser of all frames."""
    if point.key == "kbps":
        return {}
    fixed = {"qmin": point.value, "qmax": point.value} if point.key == "qp" else {}
    return {"crf": point.value, "b:v": 0, **fixed}
