"""Video codecs driven through ffmpeg: H.264, H.265, H.266, AV1, VP9.

Each adapter says its encoder's formats, settings and options; ffmpeg_codec.py runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from bench.bitstreams import Stripped, annexb, obu
from bench.bitstreams.containers import read_ivf, write_ivf
from bench.codecs.base import Allowed, Choice, Range
from bench.codecs.ffmpeg_codec import RATES, FfmpegCodec, Options, constant_quality, formats_of
from bench.codecs.support.clip_settings import ONCE, frames_between, intra_interval, read_parameters
from bench.codecs.support.coded_frames import frames_of_packets
from bench.codecs.support.framing import join_frames, split_frames
from bench.codecs.support.planes import DecodedFormat
from bench.records import CodedFrames, Point, Value
from bench.signals import GRAY, Layout, PixelFormat

if TYPE_CHECKING:
    from bench.cards import CodecCard

_X26X_PRESETS = Choice(
    tuple("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo".split())
)


class _X26x(FfmpegCodec):
    """What x264 and x265 have in common."""

    has_400 = True
    has_444 = True
    library_options: ClassVar[str]
    infinite: ClassVar[str]
    """The library's word for an interval of intra pictures without end."""
    ladder_keys = ("crf", "qp", "kbps")
    rate_parameters = frozenset(
        "crf qp qp-constant bitrate pass crf-min crf-max qpmin qpmax qp-min qp-max vbv-maxrate "
        "vbv-bufsize vbv-init ratetol strict-cbr".split()
    )
    thread_parameters = frozenset(
        "threads lookahead-threads sliced-threads pools numa-pools frame-threads".split()
    )
    interval_parameters = frozenset(("keyint", "keyint-max"))
    structure_parameters = frozenset(("bframes",))

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        settings = card.settings
        given = read_parameters(settings.get("params", "")) or {}
        if found := super().overridden(card):
            return found
        if given.get("lossless", "0") != "0" and any(point.value for point in card.ladder):
            return {card.rate_key: f"params={settings['params']}"}
        if settings.get("keyint") == ONCE and given.get("scenecut", "0") != "0":
            return {"params": f"keyint={ONCE}", "keyint": f"params={settings['params']}"}
        structure = settings.get("structure")
        if structure == "random-access" and settings.get("tune") == "zerolatency":
            return {"tune": f"structure={structure}", "structure": "tune=zerolatency"}
        return {}

    def options(self, point: Point, layout: Layout) -> Options:
        settings = self.settings
        interval = intra_interval(settings)
        words = [self.library_options]
        words += [f"keyint={self.infinite}:scenecut=0"] if interval == ONCE else []
        if settings.get("structure") == "low-delay":
            words.append("bframes=0")
        elif settings.get("structure") == "random-access" and self._without_b():
            words.append("bframes=3")
        words += [self.params] if self.params else []
        chosen = {
            **self.rate(point),
            "preset": settings.get("preset", "veryslow"),
            **({} if interval == ONCE else {"g": 250 if interval is None else interval}),
            "threads": 1,
            self.library_key: ":".join(words),
        }
        tune = settings.get("tune", "psnr")
        return chosen if tune == "default" else {**chosen, "tune": tune}

    def _without_b(self) -> bool:
        """Whether the preset codes no B-frames."""
        return False


class X264(_X26x):
    """H.264/AVC by libx264, constant rate factor or quantiser."""

    encoder = "libx264"
    muxer = "h264"
    standard = annexb.H264
    library_key = "x264-params"
    library_options = "lookahead-threads=1"
    infinite = "infinite"
    formats = formats_of((8, 10))
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 51, integer=False),
        "qp": Range(0, 51),
        "preset": _X26X_PRESETS,
        "tune": Choice(
            ("psnr", "ssim", "film", "animation", "grain", "stillimage", "zerolatency", "default")
        ),
        "chroma": Choice((444, 420)),
        **RATES,
    }

    def stream_format(self, stream: bytes, decoded: DecodedFormat) -> PixelFormat:
        if annexb.is_monochrome_h264(stream):
            return replace(GRAY, depth=decoded.planes.depth)
        return super().stream_format(stream, decoded)

    def _without_b(self) -> bool:
        return str(self.settings.get("preset", "veryslow")) == "ultrafast"


class X265(_X26x):
    """H.265/HEVC by libx265, constant rate factor or quantiser."""

    encoder = "libx265"
    muxer = "hevc"
    standard = annexb.H265
    smallest_side = 16
    library_key = "x265-params"
    library_options = "pools=none:frame-threads=1:log-level=error"
    infinite = "-1"
    formats = formats_of((8, 10, 12))
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 51, integer=False),
        "qp": Range(0, 51),
        "preset": _X26X_PRESETS,
        "tune": Choice(("psnr", "ssim", "grain", "animation", "zerolatency", "default")),
        "chroma": Choice((444, 420)),
        **RATES,
    }


class VVenC(FfmpegCodec):
    """H.266/VVC by libvvenc at a constant quantiser; 4:2:0 at 10 bits inside. Without ``keyint``
    an intra picture comes about every second, as VVenC has it."""

    encoder = "libvvenc"
    muxer = "vvc"
    standard = annexb.H266
    depth = 10
    # 32x32 and 34x34 work, 24x24 and 8x64 fail in VVenC 1.15
    smallest_side = 32
    formats = formats_of((8, 10), ("420",))
    library_key = "vvenc-params"
    rate_parameters = frozenset("qp targetbitrate maxbitrate bitrate numpasses pass".split())
    thread_parameters = frozenset("threads wppmode maxparallelframes ifp".split())
    interval_parameters = frozenset("intraperiod refreshsec".split())
    structure_parameters = frozenset(("picreordering",))
    ladder_keys = ("qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "qp": Range(0, 63),
        "preset": Choice(("faster", "fast", "medium", "slow", "slower")),
        "tune": Choice(("psnr", "default")),
        **RATES,
    }

    def options(self, point: Point, layout: Layout) -> Options:
        interval = intra_interval(self.settings)
        library = ["verbosity=1"]
        # ffmpeg does not hand the range to libvvenc, and of intervals only that of intra coding
        library += ["Range=full"] if not layout.is_yuv else []
        library += [f"IntraPeriod={interval}"] if interval not in (None, 1) else []
        library += ["sta=0"] if interval == ONCE else []  # no intra slices at changes of scene
        library += (
            ["PicReordering=0:DecodingRefreshType=none:GOPSize=8"]
            if self.settings.get("structure") == "low-delay"
            else []
        )
        library += [self.params] if self.params else []
        return {
            **self.rate(point),
            "preset": self.settings.get("preset", "fast"),
            "qpa": int(self.settings.get("tune", "psnr") == "default"),
            **({"g": 1} if interval == 1 else {}),
            "threads": 1,
            self.library_key: ":".join(library),
        }


class Av1(FfmpegCodec):
    """What encoders of AV1 have in common."""

    muxer = "obu"
    standard = obu.AV1
    odd_420 = True

    def frames_in(self, stream: bytes) -> CodedFrames | None:
        return frames_of_packets(self.standard.temporal_units(stream), "libdav1d")


class SvtAv1(Av1):
    """AV1 by SVT-AV1, constant rate factor; 4:2:0 only."""

    encoder = "libsvtav1"
    # below this SVT-AV1 4.2 corrupts its heap on noise of 4x10 and 5x7 pixels
    smallest_side = 64
    formats = formats_of((8, 10), ("420",))
    library_key = "svtav1-params"
    rate_parameters = frozenset("crf qp rc tbr mbr pass passes aq-mode".split())
    thread_parameters = frozenset("lp pin ss".split())
    interval_parameters = frozenset(("keyint",))
    structure_parameters = frozenset(("pred-struct",))
    ladder_keys = ("crf", "qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(1, 63),
        "qp": Range(1, 63),
        "preset": Range(-1, 11),  # above 11 SVT-AV1 4.2 takes 11
        "tune": Choice(("psnr", "ssim", "vq", "default")),
        **RATES,
    }
    _tunes: ClassVar[Mapping[str, str]] = {"vq": "tune=0:", "psnr": "tune=1:", "ssim": "tune=2:"}
    _structures: ClassVar[Mapping[str, str]] = {
        "low-delay": ":pred-struct=1", "random-access": ":pred-struct=2",
    }  # fmt: skip

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        if "passes" in card.settings and _low_delay_kbps(card.settings, card.rate_key):
            return {"passes": "structure=low-delay", "structure": "passes"}
        return super().overridden(card)

    def options(self, point: Point, layout: Layout) -> Options:
        settings, interval = self.settings, intra_interval(self.settings)
        once = f":keyint={ONCE}" if interval == ONCE else ""
        structure = self._structures.get(str(settings.get("structure")), "")
        # with low delay it has no variable bit rate
        structure += ":rc=2" if _low_delay_kbps(settings, point.key) else ""
        params = f":{self.params}" if self.params else ""
        tune = self._tunes.get(str(settings.get("tune", "psnr")), "")
        return {
            **self.rate(point),
            "preset": settings.get("preset", 4),
            **({} if once else {"g": 250 if interval is None else interval}),
            self.library_key: f"{tune}lp=1{once}{structure}{params}",
        }


def _low_delay_kbps(settings: Mapping[str, Value], key: str | None) -> bool:
    return settings.get("structure") == "low-delay" and key == "kbps"


class Vp9(FfmpegCodec):
    """VP9 by libvpx, constant quality; superframes in the harness's own framing instead of IVF.
    Random access takes two passes: in one libvpx places no frame that refers to later ones."""

    encoder = "libvpx-vp9"
    muxer = "ivf"
    has_444 = True
    odd_420 = True
    formats = formats_of((8, 10, 12))
    rate_parameters = frozenset("crf b:v qmin qmax minrate maxrate pass".split())
    thread_parameters = frozenset(("threads", "row-mt"))
    interval_parameters = frozenset(("g", "keyint-min"))
    structure_parameters = frozenset("lag-in-frames auto-alt-ref".split())
    ladder_keys = ("crf", "qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "crf": Range(0, 63),
        "qp": Range(0, 63),
        "cpu-used": Range(0, 5),  # above 5 libvpx takes 5 where the deadline is good
        "tune": Choice(("psnr", "ssim", "default")),
        "chroma": Choice((444, 420)),
        **RATES,
    }

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        structure = card.settings.get("structure")
        if structure == "random-access" and card.settings.get("passes") == 1:
            return {"passes": f"structure={structure}", "structure": "passes=1"}
        return super().overridden(card)

    def passes(self, point: Point) -> int:
        random_access = self.settings.get("structure") == "random-access"
        return 2 if random_access else super().passes(point)

    def rate(self, point: Point) -> Options:
        return constant_quality(point) or super().rate(point)

    def options(self, point: Point, layout: Layout) -> Options:
        tune, interval = self.settings.get("tune", "psnr"), intra_interval(self.settings)
        low_delay = self.settings.get("structure") == "low-delay"
        return {
            **self.rate(point),
            "deadline": "good",
            "cpu-used": self.settings.get("cpu-used", 1),
            "g": frames_between(250 if interval is None else interval, layout.frames),
            "threads": 1,
            **({"lag-in-frames": 0, "auto-alt-ref": 0} if low_delay else {}),
            **({} if tune == "default" else {"tune": tune}),
            **(read_parameters(self.params) or {}),
        }

    def strip(self, stream: bytes) -> Stripped:
        payload, framing = join_frames(read_ivf(stream))
        return Stripped(payload, framing, len(stream) - len(payload))

    def count_pictures(self, stream: bytes) -> int:
        return len(split_frames(stream))

    def frames_in(self, stream: bytes) -> CodedFrames | None:
        return frames_of_packets(split_frames(stream), "vp9")

    def to_demuxer(self, stream: bytes) -> bytes:
        return write_ivf(split_frames(stream), b"VP90", 0, 0)
