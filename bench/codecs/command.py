"""Any encoder and decoder that can be run from a command line, from a card alone.

Programs exchange files with the harness in a temporary folder that goes with the task, and see
nothing but that and what they need to run.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench import colour
from bench.bitstreams import Stripped, annexb, obu, stills
from bench.codecs.base import USUAL, Allowed, AnyValue, Choice, Encoded, Range, Text
from bench.codecs.support import exchange
from bench.codecs.support.framing import SideInfo, read_side_info
from bench.codecs.support.planes import PlaneFormat, through_planes
from bench.codecs.support.programs import has_written, written
from bench.codecs.support.still import StillCodec
from bench.codecs.support.template import (
    COMMAND,
    first_line,
    parse_template,
    program_hash,
)
from bench.errors import BitstreamError, CardError, CodecError, Unavailable, near_matches
from bench.machine import file_digest
from bench.processes import isolation
from bench.records import Point, Value
from bench.signals import GRAY, RGB, Chroma, Frame, Layout, PixelFormat, Signal

if TYPE_CHECKING:
    from bench.cards import CodecCard

_FACTS = ("width", "height", "pix_fmt", "chroma_format", "depth")
_ENCODER_FACTS = ("input", "bitstream", "frames", "fps", *_FACTS)
_DECODER_FACTS = ("bitstream", "output", *_FACTS)
_BOUNDS = (("low", float("-inf")), ("high", float("inf")))
_SCALARS = (bool, int, float, str)
_FORMATS = Choice((*exchange.PICTURES, *exchange.VIDEOS))
_STRIPPERS: dict[str, Callable[[bytes], Stripped]] = {
    "h264": annexb.H264.strip,
    "hevc": annexb.H265.strip,
    "vvc": annexb.H266.strip,
    "av1": obu.AV1.strip,
    "jpeg": stills.strip_jpeg,
    "jpeg2000": stills.strip_jpeg2000,
    "png": stills.strip_png,
    "webp": stills.strip_webp,
}


class _OpenParameters(Mapping[str, Allowed]):
    """The settings that the adapter reads, and any other: those fill placeholders."""

    def __init__(self, known: Mapping[str, Allowed]) -> None:
        self._known = known

    def __getitem__(self, key: str) -> Allowed:
        return self._known.get(key, AnyValue())

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and re.fullmatch(r"\w+", key) is not None

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class CommandCodec(StillCodec):
    """An external encoder and decoder.

    The card's settings: ``encode`` and ``decode`` are the templates; ``input`` and ``output`` the
    file formats (png and ppm code clips frame by frame; y4m and yuv pass whole clips, RGB as
    BT.709 full range in ``chroma`` 444 or 420 at ``depth`` bits); ``suffix`` is the bitstream
    file's; ``strip`` names the syntax whose dispensable parts are dropped; ``version`` is a
    command whose first line names the version, else the programs' hashes do; ``low`` and ``high``
    bound the ladder. Every other setting, and the ladder's key, fills the placeholder of its name.
    """

    formats: ClassVar[Sequence[str]] = USUAL
    codes_gray = False
    parameters: ClassVar[Mapping[str, Allowed]] = _OpenParameters(
        {
            "encode": COMMAND,
            "decode": COMMAND,
            "version": COMMAND,
            "input": _FORMATS,
            "output": _FORMATS,
            "chroma": Choice((444, 420)),
            "depth": Range(8, 12),
            "suffix": Text("jpg"),
            "strip": Choice(tuple(_STRIPPERS)),
            "low": Range(-1e9, 1e9, integer=False),
            "high": Range(-1e9, 1e9, integer=False),
        }
    )

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        own = {*self.settings} - {"encode", "decode", "version", "input", "output", "depth"}
        self._encoder = parse_template(card.id, "encode", self.settings.get("encode"))
        self._encoder.check_placeholders("encode", {*own, *_ENCODER_FACTS, card.rate_key})
        self._decoder = parse_template(card.id, "decode", self.settings.get("decode"))
        self._decoder.check_placeholders("decode", {*own, *_DECODER_FACTS})
        read = {*self.parameters, *self._encoder.placeholders, *self._decoder.placeholders}
        for key in sorted(own - read):
            raise CardError(
                f"codec {card.id}: nothing reads the setting {key!r}: no template has {{{key}}}; "
                f"{near_matches(key, self.parameters)}"
            )
        self._input = str(self.settings.get("input", "png"))
        self._output = str(self.settings.get("output", self._input))
        self._suffix = str(self.settings.get("suffix", "bin")).lstrip(".")
        self._check_card()

    def _check_card(self) -> None:
        name = self.card.id
        if (self._input in exchange.VIDEOS) != (self._output in exchange.VIDEOS):
            raise CardError(
                f"codec {name}: input {self._input} and output {self._output} do not go "
                "together; take png or ppm for both, or y4m or yuv for both"
            )
        if not re.fullmatch(r"\w{1,16}", self._suffix):
            raise CardError(f"codec {name}: suffix {self._suffix!r} is no file suffix")
        low, high = (self.settings.get(key, default) for key, default in _BOUNDS)
        for point in () if self.card.searched else self.card.ladder:
            if isinstance(point.value, int | float) and not low <= point.value <= high:
                raise CardError(
                    f"codec {name}: {point.key} {point.value} is outside {low}–{high}; give "
                    f"another {point.key}, or change settings.low and settings.high"
                )

    @property
    def _codes_clips(self) -> bool:
        return self._input in exchange.VIDEOS

    def refusal(self, layout: Layout) -> str | None:
        if not self._codes_clips:
            return super().refusal(layout)
        if layout.samples == "real":
            return f"{self.card.id} codes 8-bit pictures, not real numbers"
        return None

    def check_available(self) -> None:
        self._encoder.program()
        self._decoder.program()
        for path in self.card.reads:
            if not path.exists():
                raise Unavailable(
                    f"{self.card.id}: {path} is not there; put it there or correct the card's reads"
                )

    @property
    def isolation(self) -> str:
        return isolation.describe()

    def code(self) -> Mapping[str, str]:
        """The scripts and other files that the templates name."""
        files = {*self._encoder.named_files(), *self._decoder.named_files()}
        return {str(path): file_digest(path) for path in sorted(files)}

    def reads(self) -> tuple[Path, ...]:
        return self._decoder.places()

    def versions(self) -> Mapping[str, str]:
        halves = self._codes_clips and self._chroma_of(RGB) == "420"
        halved = colour.CHROMA_RESAMPLING if halves else {}
        if "version" in self.settings:
            version = parse_template(self.card.id, "version", self.settings["version"])
            arguments = tuple(version.fill({}))
            return {Path(arguments[0]).name: first_line(arguments, self.card.reads), **halved}
        programs = (self._encoder.program(), self._decoder.program())
        return {**{Path(program).name: program_hash(program) for program in programs}, **halved}

    def colour_path(self, signal: Signal) -> Signal | None:
        if not self._codes_clips or signal.layout.samples != "rgb":
            return None
        return through_planes(signal, self._coded_format(signal.layout))

    def _coded_format(self, layout: Layout) -> PlaneFormat:
        chroma = self._chroma_of(layout.format)
        step = 2 if chroma == "420" else 1
        width, height = (-(-side // step) * step for side in (layout.width, layout.height))
        return PlaneFormat(chroma, int(self.settings.get("depth", 8)), width, height)

    def _chroma_of(self, kind: PixelFormat) -> Chroma:
        halved = kind.samples == "rgb" and self.settings.get("chroma", 444) != 444
        return "420" if halved else kind.chroma

    def _facts(self, layout: Layout) -> dict[str, Value]:
        """Values of the placeholders that both commands may use."""
        coded = self._coded_format(layout)
        return {
            **{key: value for key, value in self.settings.items() if isinstance(value, _SCALARS)},
            "width": coded.width if self._codes_clips else layout.width,
            "height": coded.height if self._codes_clips else layout.height,
            "pix_fmt": coded.pix_fmt,
            "chroma_format": coded.chroma,
            "depth": coded.depth,
        }

    def encode_picture(self, pixels: Frame, point: Point) -> Stripped:
        layout = Layout(
            "image", GRAY if pixels.ndim == 2 else RGB, pixels.shape[1], pixels.shape[0]
        )
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            source = Path(folder) / f"input.{self._input}"
            exchange.write_picture(source, pixels)
            return self._run_encoder(source, layout, point)

    def decode_picture(self, file: bytes) -> Frame:
        layout = Layout("image", RGB, 1, 1)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            return exchange.read_picture(self._run_decoder(Path(folder), file, layout))

    def encode(self, signal: Signal, point: Point) -> Encoded:
        told = "strip" in self.settings
        if not self._codes_clips:
            encoded = super().encode(signal, point)
            return encoded if told else replace(encoded, header_bytes=None)
        layout = signal.layout
        side = SideInfo(layout.format, layout.width, layout.height).write()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            source = Path(folder) / f"input.{self._input}"
            exchange.write_video(source, signal, self._coded_format(layout))
            stripped = self._run_encoder(source, layout, point)
        return Encoded(
            side + stripped.payload,
            header_bytes=len(side) + stripped.header_bytes if told else None,
            discarded_bytes=stripped.discarded_bytes,
        )

    def decode(self, payload: bytes) -> Signal:
        if not self._codes_clips:
            return super().decode(payload)
        info, stream = read_side_info(payload)
        if (
            info is None
            or info.width is None
            or info.height is None
            or info.format.samples == "real"
        ):
            raise BitstreamError(f"{self.card.id}: the payload starts with {payload[:4].hex()}")
        layout = Layout("video", info.format, info.width, info.height)
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            output = self._run_decoder(Path(folder), stream, layout)
            return exchange.read_video(output, layout, self._coded_format(layout))

    def _run_encoder(self, source: Path, layout: Layout, point: Point) -> Stripped:
        bitstream = source.parent / f"coded.{self._suffix}"
        facts = self._facts(layout) | {
            "input": str(source),
            "bitstream": str(bitstream),
            "frames": layout.frames,
            "fps": str(layout.fps),
            point.key: point.value,
        }
        said = self._encoder.run(facts, source.parent, self.card.reads)
        who = f"{self.card.id}: {self._encoder.words[0]}"
        data = written(bitstream, who, "bitstream", said).read_bytes()
        strip = self.settings.get("strip")
        return _STRIPPERS[strip](data) if strip else Stripped(data, 0, 0)

    def _run_decoder(self, folder: Path, stream: bytes, layout: Layout) -> Path:
        if not stream:
            raise BitstreamError(f"{self.card.id}: the payload holds no bitstream")
        bitstream = folder / f"coded.{self._suffix}"
        bitstream.write_bytes(stream)
        output = folder / f"output.{self._output}"
        facts = self._facts(layout) | {"bitstream": str(bitstream), "output": str(output)}
        said = self._decoder.run(facts, folder, self.card.reads)
        if not has_written(output):
            raise CodecError(f"{self.card.id}: {self._decoder.words[0]} wrote no output: {said}")
        return output
