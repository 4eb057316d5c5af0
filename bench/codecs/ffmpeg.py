"""Video codecs driven through ffmpeg: H.264, H.265, H.266, AV1, VP9.

Pixels go in and come out through pipes as planes that this project converts itself; payloads are
elementary streams without signatures and containers. One thread per process.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import ffmpeg

from bench import colour
from bench.bitstreams import Stripped, annexb, obu
from bench.bitstreams.containers import read_ivf, write_ivf
from bench.codecs.base import Allowed, Choice, CodecBase, Encoded, Range
from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.framing import SideInfo, join_frames, read_side_info, split_frames
from bench.codecs.support.keyint import KEYINT, ONCE, frames_between
from bench.codecs.support.library_parameters import LibraryParameters, read_parameters
from bench.codecs.support.planes import (
    PlaneFormat,
    coded_planes,
    decoded_signal,
    through_planes,
)
from bench.codecs.support.process import read_all, run_piped, run_to_file
from bench.codecs.support.programs import places_of_program
from bench.codecs.support.y4m import DecodedFormat, frame_places, read_format
from bench.errors import BitstreamError, CardError, CodecError
from bench.records import Point, Value
from bench.signals import GRAY, RGB, YUV420, Chroma, Layout, PixelFormat, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard

_X26X_PRESETS = Choice(
    tuple("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo".split())
)
# parameters of the libraries that would take the place of the ladder, or clamp it
_RATES = frozenset(
    "crf qp qp-constant bitrate pass crf-min crf-max qpmin qpmax qp-min qp-max vbv-maxrate "
    "vbv-bufsize vbv-init ratetol strict-cbr".split()
)
# what would not be timed on one thread any more
_THREADS = frozenset(
    "threads lookahead-threads sliced-threads pools numa-pools frame-threads".split()
)
_KEYINTS = frozenset(("keyint", "keyint-max"))
Options = dict[str, Value]


class FfmpegCodec(CodecBase):
    """An encoder of ffmpeg whose stream ffmpeg decodes; subclasses name it and its options.

    Pictures are padded to even sizes for 4:2:0, unless ``odd_420``, and to ``smallest_side`` by
    repeating edges. The true size then goes ahead of the stream as counted side information, as
    does "gray" where the encoder has no 4:0:0.
    """

    encoder: ClassVar[str]
    muxer: ClassVar[str]
    has_400: ClassVar[bool] = False
    has_444: ClassVar[bool] = False
    depth: ClassVar[int] = 8
    odd_420: ClassVar[bool] = False
    smallest_side: ClassVar[int] = 1
    largest_side: ClassVar[int] = 16384

    def options(self, point: Point, layout: Layout) -> Options:
        """ffmpeg output options of the encoder, thread limits included."""
        raise NotImplementedError

    def strip(self, stream: bytes) -> Stripped:
        """What the muxer wrote, without what no decoder needs."""
        raise NotImplementedError

    def count_pictures(self, stream: bytes) -> int:
        """Frames that the stripped stream shows. Raises BitstreamError for a foreign stream."""
        raise NotImplementedError

    def to_demuxer(self, stream: bytes) -> bytes:
        """The stripped stream as ffmpeg's demuxer of ``muxer`` reads it."""
        return stream

    def stream_format(self, stream: bytes, decoded: DecodedFormat) -> PixelFormat:
        """Kind of samples where no side information tells: what the stream itself signals."""
        if decoded.planes.chroma == "400":
            return GRAY
        return RGB if decoded.full_range or decoded.planes.chroma == "444" else YUV420

    def coded_format(self, layout: Layout) -> PlaneFormat:
        """The planes that the encoder gets for a signal of ``layout``."""
        chroma = self._chroma_of(layout.format)
        even = chroma in ("420", "422") and not self.odd_420
        steps = (1 + even, 1 + (even and chroma == "420"))
        width, height = (
            max(self.smallest_side, -(-side // step) * step)
            for side, step in zip((layout.width, layout.height), steps, strict=True)
        )
        depth = max(self.depth, layout.depth)
        return PlaneFormat(chroma, depth, width, height)

    def _chroma_of(self, kind: PixelFormat) -> Chroma:
        if kind.is_yuv:
            return kind.chroma
        if kind.samples == "gray":
            return "400" if self.has_400 else "420"
        return "444" if self.has_444 and self.settings.get("chroma", 444) == 444 else "420"

    def refusal(self, layout: Layout) -> str | None:
        if layout.samples == "real":
            return f"{self.card.id} codes 8-bit pictures, not real numbers"
        if max(layout.width, layout.height) > self.largest_side:
            return (
                f"{self.card.id} codes at most {self.largest_side} pixels a side, "
                f"not {layout.width}x{layout.height}"
            )
        return None

    def check_available(self) -> None:
        ffmpeg_binary.check_encoder(self.card.id, self.encoder)

    def reads(self) -> tuple[Path, ...]:
        return tuple(places_of_program(Path(ffmpeg_binary.find_ffmpeg())))

    def versions(self) -> Mapping[str, str]:
        halves = self._chroma_of(RGB) == "420"
        return {
            **ffmpeg_binary.versions(self.encoder),
            **(colour.CHROMA_RESAMPLING if halves else {}),
        }

    def colour_path(self, signal: Signal) -> Signal | None:
        if signal.layout.samples != "rgb":
            return None
        return through_planes(signal, self.coded_format(signal.layout))

    def side_info(self, layout: Layout, coded: PlaneFormat) -> SideInfo | None:
        """What a decoder of the stream could not know."""
        if (coded.width, coded.height) != (layout.width, layout.height):
            return SideInfo(layout.format, layout.width, layout.height)
        if layout.samples == "gray" and coded.chroma != "400":
            return SideInfo(layout.format)
        return None

    def encode_command(self, layout: Layout, coded: PlaneFormat, point: Point) -> list[str]:
        """The ffmpeg command from planes on standard input to the stream on standard output."""
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
        return ffmpeg_binary.command_of(
            ffmpeg.output(source, "pipe:1", format=self.muxer, **options)
        )

    def encode(self, signal: Signal, point: Point) -> Encoded:
        layout = signal.layout
        coded = self.coded_format(layout)
        planes = coded_planes(signal, coded)
        stream = run_piped(self.encode_command(layout, coded, point), planes, read_all)
        stripped = self.strip(stream)
        count = self.count_pictures(stripped.payload)
        if count != layout.frames:
            raise CodecError(
                f"{self.card.id} at {point}: {self.encoder} coded {count} frames of {layout.frames}"
            )
        info = self.side_info(layout, coded)
        side = info.write() if info is not None else b""
        return Encoded(
            side + stripped.payload,
            header_bytes=len(side) + stripped.header_bytes,
            discarded_bytes=stripped.discarded_bytes,
        )

    def decode_command(self) -> list[str]:
        """The ffmpeg command from the stream on standard input to Y4M on standard output."""
        source = ffmpeg.input("pipe:0", format=self.muxer, threads=1, err_detect="explode")
        output = ffmpeg.output(
            source, "pipe:1", format="yuv4mpegpipe", strict="-1", fps_mode="passthrough"
        )
        return ffmpeg_binary.command_of(output.global_args("-xerror"))

    def decode(self, payload: bytes) -> Signal:
        info, stream = read_side_info(payload)
        count = self.count_pictures(stream)
        with run_to_file(self.decode_command(), [self.to_demuxer(stream)]) as written:
            decoded = read_format(written)
            coded = decoded.planes
            places = frame_places(written, coded)
            kind = info.format if info else self.stream_format(stream, decoded)
            if kind.is_yuv and not info:
                kind = replace(kind, depth=coded.depth)
            width = (info and info.width) or coded.width
            height = (info and info.height) or coded.height
            if width > coded.width or height > coded.height:
                raise BitstreamError(
                    f"decoded {coded.width}x{coded.height} where {width}x{height} was coded"
                )
            if len(places) != count:
                raise BitstreamError(f"{self.card.id}: decoded {len(places)} frames of {count}")
            layout = Layout("image" if count == 1 else "video", kind, width, height)
            return decoded_signal(written, places, coded, layout)


class _X26x(FfmpegCodec):
    """What x264 and x265 have in common."""

    has_400 = True
    has_444 = True
    standard: ClassVar[annexb.Standard]
    library_options: ClassVar[str]
    library_key: ClassVar[str]
    infinite: ClassVar[str]
    """The library's word for an interval of intra pictures without end."""

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        given = read_parameters(settings.get("params", "")) or {}
        keyint = settings.get("keyint")
        if _RATES & given.keys():
            return {"params": f"the ladder of {card.rate_key}"}
        if _THREADS & given.keys():
            return {"params": "the one thread of every encoder here"}
        quantised = len(card.ladder) > 1 or card.ladder[0].value != 0
        if given.get("lossless", "0") != "0" and quantised:
            return {card.rate_key: f"params={settings['params']}"}
        repeated = keyint is not None and bool(_KEYINTS & given.keys())
        cut = keyint == ONCE and given.get("scenecut", "0") != "0"
        if repeated or cut:
            return {"params": f"keyint={keyint}", "keyint": f"params={settings['params']}"}
        return {}

    def options(self, point: Point, layout: Layout) -> Options:
        settings = self.settings
        tune, keyint = settings.get("tune", "psnr"), settings.get("keyint", 250)
        once = f"keyint={self.infinite}:scenecut=0" if keyint == ONCE else ""
        library = ":".join(filter(None, [self.library_options, once, settings.get("params", "")]))
        chosen = {
            point.key: point.value,
            "preset": settings.get("preset", "veryslow"),
            **({} if once else {"g": keyint}),
            "threads": 1,
            self.library_key: library,
        }
        return chosen if tune == "default" else {**chosen, "tune": tune}

    def check_available(self) -> None:
        super().check_available()
        params = str(self.settings.get("params", ""))
        if said := ffmpeg_binary.complaint(self.encoder, self.library_key, params):
            raise CardError(
                f"codec {self.card.id}: {self.encoder} says {said!r} and codes without; "
                "change params"
            )

    def strip(self, stream: bytes) -> Stripped:
        return annexb.strip(stream, self.standard)

    def count_pictures(self, stream: bytes) -> int:
        return annexb.count_pictures(stream, self.standard)


class X264(_X26x):
    """H.264/AVC by libx264, constant rate factor or quantiser."""

    encoder = "libx264"
    muxer = "h264"
    standard = annexb.H264
    library_key = "x264-params"
    library_options = "lookahead-threads=1"
    infinite = "infinite"
    ladder_keys = ("crf", "qp")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 51, integer=False),
        "qp": Range(0, 51),
        "preset": _X26X_PRESETS,
        "tune": Choice(
            ("psnr", "ssim", "film", "animation", "grain", "stillimage", "zerolatency", "default")
        ),
        "keyint": KEYINT,
        "chroma": Choice((444, 420)),
        "params": LibraryParameters(),
    }

    def stream_format(self, stream: bytes, decoded: DecodedFormat) -> PixelFormat:
        if annexb.is_monochrome_h264(stream):
            return GRAY
        return super().stream_format(stream, decoded)


class X265(_X26x):
    """H.265/HEVC by libx265, constant rate factor or quantiser."""

    encoder = "libx265"
    muxer = "hevc"
    standard = annexb.H265
    smallest_side = 16
    library_key = "x265-params"
    library_options = "pools=none:frame-threads=1:log-level=error"
    infinite = "-1"
    ladder_keys = ("crf", "qp")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 51, integer=False),
        "qp": Range(0, 51),
        "preset": _X26X_PRESETS,
        "tune": Choice(("psnr", "ssim", "grain", "animation", "zerolatency", "default")),
        "keyint": KEYINT,
        "chroma": Choice((444, 420)),
        "params": LibraryParameters(),
    }


class VVenC(FfmpegCodec):
    """H.266/VVC by libvvenc at a constant quantiser; 4:2:0 at 10 bits inside. Without ``keyint``
    an intra picture comes about every second, as VVenC has it."""

    encoder = "libvvenc"
    muxer = "vvc"
    depth = 10
    # 32x32 and 34x34 work, 24x24 and 8x64 fail in VVenC 1.15
    smallest_side = 32
    ladder_keys = ("qp",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "qp": Range(0, 63),
        "preset": Choice(("faster", "fast", "medium", "slow", "slower")),
        "tune": Choice(("psnr", "default")),
        "keyint": KEYINT,
    }

    def options(self, point: Point, layout: Layout) -> Options:
        keyint = self.settings.get("keyint")
        library = ["verbosity=1"]
        # ffmpeg does not hand the range to libvvenc, and of intervals only that of intra coding
        library += ["Range=full"] if not layout.is_yuv else []
        library += [f"IntraPeriod={keyint}"] if keyint not in (None, 1) else []
        library += ["sta=0"] if keyint == ONCE else []  # no intra slices at changes of scene
        return {
            point.key: point.value,
            "preset": self.settings.get("preset", "fast"),
            "qpa": int(self.settings.get("tune", "psnr") == "default"),
            **({"g": 1} if keyint == 1 else {}),
            "threads": 1,
            "vvenc-params": ":".join(library),
        }

    def strip(self, stream: bytes) -> Stripped:
        return annexb.strip(stream, annexb.H266)

    def count_pictures(self, stream: bytes) -> int:
        return annexb.count_pictures(stream, annexb.H266)


class SvtAv1(FfmpegCodec):
    """AV1 by SVT-AV1, constant rate factor; 4:2:0 only."""

    encoder = "libsvtav1"
    muxer = "obu"
    # below this SVT-AV1 4.2 corrupts its heap on noise of 4x10 and 5x7 pixels
    smallest_side = 64
    odd_420 = True
    ladder_keys = ("crf",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(1, 63),
        "preset": Range(-1, 11),  # above 11 SVT-AV1 4.2 takes 11
        "tune": Choice(("psnr", "ssim", "vq", "default")),
        "keyint": KEYINT,
    }
    _tunes: ClassVar[Mapping[str, str]] = {"vq": "tune=0:", "psnr": "tune=1:", "ssim": "tune=2:"}

    def options(self, point: Point, layout: Layout) -> Options:
        tune, keyint = self.settings.get("tune", "psnr"), self.settings.get("keyint", 250)
        once = f":keyint={ONCE}" if keyint == ONCE else ""
        return {
            point.key: point.value,
            "preset": self.settings.get("preset", 4),
            **({} if once else {"g": keyint}),
            "svtav1-params": self._tunes.get(tune, "") + "lp=1" + once,
        }

    def strip(self, stream: bytes) -> Stripped:
        return obu.strip(stream)

    def count_pictures(self, stream: bytes) -> int:
        return obu.count_pictures(stream)


class Vp9(FfmpegCodec):
    """VP9 by libvpx, constant quality; superframes in the harness's own framing instead of IVF."""

    encoder = "libvpx-vp9"
    muxer = "ivf"
    has_444 = True
    odd_420 = True
    ladder_keys = ("crf",)
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 63),
        "cpu-used": Range(0, 5),  # above 5 libvpx takes 5 where the deadline is good
        "tune": Choice(("psnr", "ssim", "default")),
        "keyint": KEYINT,
        "chroma": Choice((444, 420)),
    }

    def options(self, point: Point, layout: Layout) -> Options:
        tune = self.settings.get("tune", "psnr")
        chosen = {
            point.key: point.value,
            "b:v": 0,
            "deadline": "good",
            "cpu-used": self.settings.get("cpu-used", 1),
            "g": frames_between(self.settings.get("keyint", 250), layout.frames),
            "threads": 1,
        }
        return chosen if tune == "default" else {**chosen, "tune": tune}

    def strip(self, stream: bytes) -> Stripped:
        payload, framing = join_frames(read_ivf(stream))
        return Stripped(payload, framing, len(stream) - len(payload))

    def count_pictures(self, stream: bytes) -> int:
        return len(split_frames(stream))

    def to_demuxer(self, stream: bytes) -> bytes:
        return write_ivf(split_frames(stream), b"VP90", 0, 0)
