"""The reference encoders of H.265 and H.266, HM and VTM, by their own programs and configurations.

Pixels go in as planes that this project converts and come out at the codec's internal depth;
payloads are elementary streams without SEI. One thread, one process a task.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench.bitstreams import annexb
from bench.codecs.base import Allowed, Choice, Encoded, Passing, Range, Text
from bench.codecs.support import exchange, frame_progress
from bench.codecs.support.clip_settings import (
    CLIP_SETTINGS,
    conflicts,
    library_parameters,
    read_parameters,
)
from bench.codecs.support.coded_frames import frames_of_log
from bench.codecs.support.framing import SideInfo, read_side_info
from bench.codecs.support.plane_codec import PlaneCodec, source_layout
from bench.codecs.support.planes import PlaneFormat, planes_layout
from bench.codecs.support.programs import Package, places_of_program, written
from bench.codecs.support.template import Template, first_line, printed_lines, program_hash
from bench.errors import BitstreamError, CardError, Unavailable
from bench.records import CodedFrames, Point
from bench.signals import FORMATS, GRAY, RGB, YUV420, Chroma, Layout, PixelFormat, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard

_INTERNAL_DEPTH = 10
_SMALLEST_SIDE = 8
_FORMATS: Mapping[Chroma, PixelFormat] = {
    "400": GRAY, "420": YUV420, "422": PixelFormat("yuv422"), "444": RGB,
}  # fmt: skip
"""What a stream without side information holds."""
_GIVEN: Mapping[str, str] = {
    "the ladder of qp": "qp q targetbitrate ratecontrol initialqp",
    "the ladder of kbps": "qp q targetbitrate ratecontrol",
    "what the harness says of the source": (
        "inputfile bitstreamfile reconfile sourcewidth sourceheight framerate framestobeencoded "
        "inputbitdepth inputchromaformat chromaformatidc conformancewindowmode frameskip "
        "temporalsubsampleratio outputbitdepth"
    ),
    "keyint": "intraperiod",
    "refresh": "decodingrefreshtype",
    "level": "level",
}
"""Parameters of the programs, and what says them already."""
_OPTIONAL = ("keyint", "refresh", "level")
_COMPLAINT = re.compile(
    r"(?:Unknown option|Unrecognized option|Error parsing option|Error:)[^\r\n]*"
)
_NAME = re.compile(r"[\w./-]+\.cfg")


def _configuration_file(example: str) -> Passing:
    """The name of an encoder configuration in the program's own folder ``cfg``."""

    def named(value: object) -> bool:
        found = isinstance(value, str) and _NAME.fullmatch(value)
        return bool(found) and ".." not in Path(str(value)).parts

    return Passing(f"a configuration file that comes with the program, such as {example}", named)


_PARAMETERS: Mapping[str, Allowed] = {
    **CLIP_SETTINGS,
    "kbps": Range(1, 1_000_000, integer=False),
    "refresh": Range(0, 3),
    "level": Text("6.2"),
    "params": library_parameters("SearchRange=384:AMP=0"),
    "chroma": Choice((444, 420)),
    "conversion": Choice(("rounded", "compressai")),
    "frames": Range(1, 100000),
    "intra": _configuration_file("encoder_intra_vtm.cfg"),
    "low-delay": _configuration_file("encoder_lowdelay_vtm.cfg"),
    "random-access": _configuration_file("encoder_randomaccess_vtm.cfg"),
}
"""What both families take; the configurations code pictures and clips of that structure."""


def _depths(kind: PixelFormat) -> tuple[int, ...]:
    return (8,) if kind.samples == "rgb" else (8, _INTERNAL_DEPTH)


class ReferenceCodec(PlaneCodec):
    """An encoder and decoder of the standard's own software; subclasses name them.

    Pictures are coded with the card's ``intra`` configuration, clips with that of ``structure``.
    The programs lie in ``bin/``, the configurations in ``cfg/`` beside it.
    """

    package: ClassVar[Package]
    software: ClassVar[str]
    encoder_names: ClassVar[tuple[str, ...]]
    decoder_names: ClassVar[tuple[str, ...]]
    side_step: ClassVar[int] = 1
    """Sides of coded pictures are multiples of this, and never below 8."""
    largest_side: ClassVar[int] = 8192
    exchanged: ClassVar[str] = "yuv"
    """The suffix of the files that the programs read and write."""
    formats = tuple(kind.name for kind in FORMATS.values() if kind.depth in _depths(kind))

    def picture_size(self, stream: bytes, folder: Path) -> tuple[int, int]:
        """Width and height of the pictures that the decoder wrote into ``folder``."""
        raise NotImplementedError

    def encoder_options(self, chroma: Chroma, still: bool) -> tuple[str, ...]:
        """Further words of the encoder's command for planes of this format."""
        return ()

    def decoder_options(self) -> tuple[str, ...]:
        """Further words of the decoder's command."""
        return ()

    def frames_in(self, stream: bytes, log: str) -> CodedFrames | None:
        """Type and bytes of each frame of the stripped stream, with what the encoder said."""
        assert isinstance(self.standard, annexb.Standard)
        return frames_of_log(stream, self.standard, log)

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        """Parameters that the harness gives, and configurations of structures that a variation does
        not code; cards name all."""
        settings = card.settings
        given = {key.lower() for key in read_parameters(settings.get("params", "")) or {}}
        for name, what in _GIVEN.items():
            if name.startswith("the ladder"):
                told = name == f"the ladder of {card.rate_key}"
            else:
                told = name in settings or name not in _OPTIONAL
            if told and given & set(what.split()):
                return {"params": name}
        chosen = str(settings.get("structure", "random-access"))
        others = {"low-delay", "random-access"} - {chosen}
        varied = card.id != card.path.stem
        return conflicts(settings) or (
            dict.fromkeys(others, f"structure={chosen}") if varied else {}
        )

    def check_available(self) -> None:
        """Raises Unavailable without the programs, CardError for parameters that the encoder, of
        which nothing but its command is asked, does not know or cannot use."""
        self._encoder()
        self._decoder()
        if self.settings.get("params"):
            layout = Layout("video", YUV420, 64, 64, 8, Fraction(25))
            said = "\n".join(printed_lines(tuple(self.command(layout, self.card.ladder[0])), ()))
            if complaint := _COMPLAINT.search(said):
                raise CardError(
                    f"codec {self.card.id}: {self.software} says {complaint[0]!r}; change params"
                )

    def reads(self) -> tuple[Path, ...]:
        return tuple(places_of_program(self._decoder()))

    def versions(self) -> Mapping[str, str]:
        encoder = str(self._encoder())
        said = first_line((encoder,))
        version = re.search(r"\[([\w.-]+)\]|Version (\d[\w.-]*)", said)
        name = version and (version[1] or version[2])
        return {
            self.software: name or program_hash(encoder),
            **{
                str(self.settings[key]): program_hash(str(self._configuration(key)))
                for key in ("intra", "low-delay", "random-access")
                if key in self.settings
            },
            **self.resampling(),
        }

    def _encoder(self) -> Path:
        """Raises Unavailable with what to install."""
        return self.package.program(self.card.id, self.encoder_names)

    def _decoder(self) -> Path:
        """Apart, since a machine that decodes alone need not have the encoder."""
        return self.package.program(self.card.id, self.decoder_names)

    def _configuration(self, key: str) -> Path:
        path = self._encoder().resolve().parent.parent / "cfg" / str(self.settings[key])
        if not path.is_file():
            raise Unavailable(
                f"{self.card.id}: {self.software} has no configuration {path}; "
                f"keep its folder cfg beside bin, or change settings.{key}"
            )
        return path

    def refusal(self, layout: Layout) -> str | None:
        name, most = self.card.id, int(self.settings.get("frames", 33))
        if layout.frames > most:
            return (
                f"{name} codes clips of up to {most} frames, not {layout.frames}, since each takes "
                "seconds to minutes; raise settings.frames"
            )
        return super().refusal(layout)

    def coded_format(self, layout: Layout) -> PlaneFormat:
        """The planes that the encoder gets: RGB at 8 bits, all else at its own depth."""
        chroma = self.chroma_of(layout.format)
        even = chroma in ("420", "422")
        width, height = (
            max(_SMALLEST_SIDE, -(-side // step) * step)
            for side, step in (
                (layout.width, max(self.side_step, 1 + even)),
                (layout.height, max(self.side_step, 1 + (chroma == "420"))),
            )
        )
        return PlaneFormat(chroma, layout.depth, width, height, truncated=self._as_compressai)

    def chroma_of(self, kind: PixelFormat) -> Chroma:
        halved = kind.samples == "rgb" and self.settings.get("chroma", 444) != 444
        return "420" if halved else kind.chroma

    @property
    def _as_compressai(self) -> bool:
        return str(self.settings.get("conversion", "rounded")) == "compressai"

    def _side_info(self, layout: Layout, coded: PlaneFormat) -> bytes:
        if (coded.width, coded.height) != (layout.width, layout.height):
            return SideInfo(layout.format, layout.width, layout.height).write()
        known = _FORMATS.get(coded.chroma)
        same = known is not None and known.samples == layout.samples
        deep = layout.samples == "gray" and layout.depth > 8
        return b"" if same and not deep else SideInfo(layout.format).write()

    def command(self, layout: Layout, point: Point) -> Sequence[str]:
        coded, still = self.coded_format(layout), layout.media == "image"
        structure = "intra" if still else str(self.settings.get("structure", "random-access"))
        return (
            *(str(self._encoder()), "-c", str(self._configuration(structure))),
            *("-i", "input.yuv", "-b", "coded.bin", "-o", os.devnull),
            *("-wdt", str(coded.width), "-hgt", str(coded.height)),
            *("-f", str(layout.frames), "-fr", str(_whole_rate(layout))),
            *(*_rate(layout, point), f"--InputBitDepth={coded.depth}"),
            *(f"--InputChromaFormat={coded.chroma}", "--ConformanceWindowMode=1"),
            *("--SEIDecodedPictureHash=1", *self.encoder_options(coded.chroma, still)),
            *self._further_options(still),
        )

    def _further_options(self, still: bool) -> Iterator[str]:
        """What the settings say beside the configuration."""
        settings = self.settings
        if not still and "keyint" in settings:
            yield f"--IntraPeriod={settings['keyint']}"
        if not still and "refresh" in settings:
            yield f"--DecodingRefreshType={settings['refresh']}"
        if "level" in settings:
            yield f"--Level={settings['level']}"
        for key, value in (read_parameters(settings.get("params", "")) or {}).items():
            yield f"--{key}={value}"

    def encode(self, signal: Signal, point: Point) -> Encoded:
        layout = signal.layout
        coded = self.coded_format(layout)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            exchange.write_video(folder / f"input.{self.exchanged}", signal, coded)
            log_file = frame_progress.log_file(folder)
            command = Template(self.card.id, tuple(self.command(layout, point)))
            said = command.run({}, folder, log_file=log_file)
            who, coded_file = f"{self.card.id}: the encoder", folder / "coded.bin"
            stream = written(coded_file, who, "bitstream", said).read_bytes()
            log = log_file.read_text(errors="replace")
        side = self._side_info(layout, coded)
        encoded = self.packed(stream, layout, point, side, "the encoder")
        return replace(encoded, coded_frames=self.frames_in(encoded.payload[len(side) :], log))

    def decode_as(self, payload: bytes, *, planes: bool) -> tuple[Signal, PlaneFormat]:
        info, stream = read_side_info(payload)
        count = self.count_pictures(stream)
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            folder = Path(name)
            (folder / "coded.bin").write_bytes(stream)
            output = folder / f"output.{self.exchanged}"
            words = tuple(self.decoder_command("coded.bin", output.name))
            said = Template(self.card.id, words).run({}, folder)
            written(output, f"{self.card.id}: the decoder", "frame", said, BitstreamError)
            coded = self.decoded_format(stream, output, count)
            layout = planes_layout(coded, count) if planes else _layout(info, coded, count)
            return exchange.read_video(output, layout, coded), coded

    def decoder_command(self, stream: str, written: str) -> Sequence[str]:
        decoder = str(self._decoder())
        return (
            *(decoder, "-b", stream, "-o", written, "-d", str(self._decoded_depth)),
            *self.decoder_options(),
        )

    @property
    def _decoded_depth(self) -> int:
        return 8 if self._as_compressai else _INTERNAL_DEPTH

    def decoded_format(self, stream: bytes, written: Path, count: int) -> PlaneFormat:
        """The planes in the decoder's file, told by its length."""
        size, depth = self.picture_size(stream, written.parent), self._decoded_depth
        file_bytes = written.stat().st_size
        chromas: tuple[Chroma, ...] = ("400", "420", "422", "444")
        for chroma in chromas:
            coded = PlaneFormat(chroma, depth, *size, shifted=True, truncated=self._as_compressai)
            if coded.frame_bytes * count == file_bytes:
                return coded
        raise BitstreamError(
            f"{self.card.id}: the decoder wrote {file_bytes} bytes, which are not {count} frames "
            f"of {size[0]}x{size[1]}"
        )


def _rate(layout: Layout, point: Point) -> Sequence[str]:
    """A quantiser, or bits a second, which the programs count at a whole number of frames a
    second."""
    if point.key == "qp":
        return ("-q", str(point.value))
    told = 1000 * float(point.value) * _whole_rate(layout) / float(layout.fps)
    return ("--RateControl=1", f"--TargetBitrate={round(told)}")


def _whole_rate(layout: Layout) -> int:
    return max(1, round(layout.fps))


def _layout(info: SideInfo | None, coded: PlaneFormat, count: int) -> Layout:
    known = _FORMATS[coded.chroma]
    kind = info.format if info else known
    layout = source_layout(info, kind, coded, count)
    if kind.samples != known.samples and coded.chroma != "420" and kind.chroma != coded.chroma:
        raise BitstreamError(f"decoded planes of {coded.chroma} where {kind} was coded")
    return layout


class Hm(ReferenceCodec):
    """H.265/HEVC by the HM reference software."""

    package = Package(
        "HM", "16.7", "BSD licence", "https://vcgit.hhi.fraunhofer.de/jvet/HM", "BENCH_HM"
    )
    software = "HM"
    encoder_names = ("TAppEncoderStatic", "TAppEncoder")
    decoder_names = ("TAppDecoderStatic", "TAppDecoder")
    standard = annexb.H265
    ladder_keys = ("qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "qp": Range(0, 51),
        **_PARAMETERS,
    }

    def picture_size(self, stream: bytes, folder: Path) -> tuple[int, int]:
        return annexb.picture_size_h265(stream)


class Vtm(ReferenceCodec):
    """H.266/VVC by the VTM reference software."""

    package = Package(
        "VTM", "9.3", "BSD licence", "https://vcgit.hhi.fraunhofer.de/jvet/VVCSoftware_VTM",
        "BENCH_VTM",
    )  # fmt: skip
    software = "VTM"
    encoder_names = ("EncoderAppStatic", "EncoderApp")
    decoder_names = ("DecoderAppStatic", "DecoderApp")
    standard = annexb.H266
    # the decoder lists the size before the conformance window, so that there must be none
    side_step = 8
    ladder_keys = ("qp", "kbps")
    parameters: ClassVar[Mapping[str, Allowed]] = {
        "qp": Range(0, 63),
        **_PARAMETERS,
    }

    def encoder_options(self, chroma: Chroma, still: bool) -> tuple[str, ...]:
        # VTM's own intra configuration takes every eighth frame of a clip, and prediction of chroma
        # from luma, switched on, makes its decoder refuse streams without chroma
        frames = () if still else ("--TemporalSubsampleRatio=1",)
        return (*frames, "--LMChroma=0") if chroma == "400" else frames

    def decoder_options(self) -> tuple[str, ...]:
        return ("--OplFile=pictures.opl",)

    def picture_size(self, stream: bytes, folder: Path) -> tuple[int, int]:
        """From the list of pictures that the decoder writes: the syntax of the sequence parameter
        set changed between VTM's versions."""
        path = folder / "pictures.opl"
        listed = path.read_text(errors="replace") if path.is_file() else ""
        match = re.search(r"^ *\d+, *(\d+), *(\d+),", listed, re.MULTILINE)
        if match is None:
            raise BitstreamError(f"{self.card.id}: the decoder listed no picture: {listed[:80]!r}")
        return int(match[1]), int(match[2])
