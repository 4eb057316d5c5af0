"""What a codec adapter is: the protocol that the engine drives and a base class with defaults."""

from __future__ import annotations

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    Protocol,
    TypeAlias,
    get_args,
    runtime_checkable,
)

from bench.errors import CodecError
from bench.records import is_number
from bench.signals import FORMATS

if TYPE_CHECKING:
    from pathlib import Path

    from bench.cards import CodecCard
    from bench.records import CodedFrames, Point, Value
    from bench.signals import Layout, Signal


Rate = Literal["measured", "estimated", "reported"]
"""What a rate is: the size of a stream that was decoded, a likelihood, or the word of others."""
_LEDGER: Mapping[str, Callable[[Any], object]] = {
    **dict.fromkeys(("header_bytes", "discarded_bytes", "bytes_reported"), operator.index),
    **dict.fromkeys(("bits_estimated", "bits_likelihood"), float),
}
_MOST_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class Encoded:
    """A bitstream and its ledger.

    ``payload`` is all that a decoder needs besides the codec itself; ``header_bytes`` is the part
    of it that is not picture content, where that can be told; ``discarded_bytes`` is what the
    encoder wrote and no decoder needs, already stripped from the payload.
    ``bits_estimated`` is an entropy, likelihood or KL estimate, never a measured size. Where it is
    not the likelihood of the quantised symbols that were coded, ``bits_likelihood`` may be.
    """

    payload: bytes
    header_bytes: int | None = None
    discarded_bytes: int = 0
    bits_estimated: float | None = None
    bits_likelihood: float | None = None
    coded_here: bool = True
    """False: the stream was only looked up, so that there is no time of encoding."""
    rate: Rate = "measured"
    bytes_reported: int | None = None
    frame_bytes: tuple[int, ...] | None = None
    """Of a clip the bytes of each frame, without what belongs to none, where the codec tells."""
    coded_frames: CodedFrames | None = None
    """Of a clip, where the encoder tells more than the bytes of each frame."""
    reconstruction: Signal | None = None
    """What stands in for decoding where there is no stream to decode; ``rate`` then says so."""

    def __post_init__(self) -> None:
        """Raises CodecError for a ledger that contradicts itself; numbers of numpy and torch become
        those of Python."""
        try:
            for name, number in _LEDGER.items():
                if (value := getattr(self, name)) is not None:
                    object.__setattr__(self, name, number(value))
        except (TypeError, ValueError) as error:
            raise CodecError(f"encode returned {name} {value!r}: no such number") from error
        size = self.bytes_reported if self.rate == "reported" else len(self.payload)
        if (
            self.rate not in get_args(Rate)
            or (size or 0) < (self.header_bytes or 0)
            or min(size or 0, self.header_bytes or 0, self.discarded_bytes) < 0
            or max(size or 0, self.discarded_bytes) >= _MOST_BYTES
            or (self.bytes_reported is None) == (self.rate == "reported")
            or (self.bits_estimated is None and self.rate == "estimated")
        ):
            raise CodecError(
                f"encode returned {size} bytes, header_bytes {self.header_bytes}, discarded_bytes "
                f"{self.discarded_bytes}, bits_estimated {self.bits_estimated}, bytes_reported "
                f"{self.bytes_reported} at the rate {self.rate!r}, which no stream has"
            )
        if self.rate == "measured" and not self.payload:
            raise CodecError("encode returned no bytes: there is nothing that decode could read")
        if self.reconstruction is not None and self.rate == "measured":
            raise CodecError(
                "encode returned a reconstruction beside a measured rate: what decode makes of the "
                "bytes alone is measured; say as_estimated or as_reported where there is no stream"
            )

    @classmethod
    def as_estimated(cls, reconstruction: Signal, bits: float) -> Encoded:
        """Of a network that makes no stream: its output and the estimate of its rate."""
        return cls(b"", bits_estimated=bits, rate="estimated", reconstruction=reconstruction)

    @classmethod
    def as_reported(cls, reconstruction: Signal, size: int) -> Encoded:
        """Of a stream that is elsewhere: what it is said to decode to, and its size in bytes."""
        return cls(
            b"",
            coded_here=False,
            rate="reported",
            bytes_reported=size,
            reconstruction=reconstruction,
        )


class Estimate(float):
    """An estimate in bits; ``at_bound`` are those of likelihoods at their lower bound, which are
    not below it whatever the coder spends."""

    at_bound: float

    def __new__(cls, bits: float, at_bound: float = 0.0) -> Estimate:
        made = super().__new__(cls, bits)
        made.at_bound = at_bound
        return made


def same_value(one: object, other: object) -> bool:
    """Whether two values are equal; unlike in Python, true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and one == other


class Allowed(Protocol):
    """The values that a setting or operating point may take; its text is shown in messages."""

    def __contains__(self, value: object) -> bool: ...


@dataclass(frozen=True, slots=True)
class Range:
    """The values that an operating point may take: lowest and highest, both allowed."""

    low: float
    high: float
    integer: bool = True

    def __contains__(self, value: object) -> bool:
        if not is_number(value):
            return False
        if self.integer and int(value) != value:
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:g}–{self.high:g}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The words that a setting or point may take."""

    words: tuple[Value, ...]

    def __contains__(self, value: object) -> bool:
        return any(same_value(value, word) for word in self.words)

    def __str__(self) -> str:
        return " | ".join(str(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Passing:
    """The values that pass a test; ``words`` say in messages which those are."""

    words: str
    test: Callable[[object], bool]

    def __contains__(self, value: object) -> bool:
        return self.test(value)

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True, slots=True)
class Text:
    """Any text, for settings such as file names; ``example`` is shown in error messages."""

    example: str

    def __contains__(self, value: object) -> bool:
        return isinstance(value, str)

    def __str__(self) -> str:
        return f"text such as {self.example!r}"


@dataclass(frozen=True, slots=True)
class Flag:
    """true or false; the words ``true`` and ``false`` of the command line become these."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool)

    def __str__(self) -> str:
        return "true | false"


@dataclass(frozen=True, slots=True)
class Complexity:
    """What a learned codec's networks cost: multiply-accumulates in thousands a pixel, and the most
    bytes that the tensors of a pass hold at one time."""

    parameters: float
    encoder_kmac_per_pixel: float
    decoder_kmac_per_pixel: float
    peak_bytes: float


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a card, such as the arguments of a constructor; not for the command line."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Mapping)

    def __str__(self) -> str:
        return "a table such as { N = 128 }"


@dataclass(frozen=True, slots=True)
class AnyValue:
    """Any number or word, for ladders whose key and values are the card's own."""

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool | str) or is_number(value)

    def __str__(self) -> str:
        return "any finite number or word"


THEN = "&&"
"""Between the words of commands that follow each other, as a shell has it."""
ANY_LADDER = "*"
"""Among an adapter's parameters: the ladder's key is the card's own, its values are these."""


@runtime_checkable
class Batching(Protocol):
    """What a codec may offer besides: several inputs at once, for which a GPU needs hardly more
    time than for one. Each comes out as ``encode`` and ``decode`` give it."""

    def encode_many(self, inputs: Sequence[tuple[Signal, Point]]) -> tuple[Encoded, ...]:
        """Code signals of one layout, each at its point. Raises what ``encode`` raises."""

    def decode_many(self, payloads: Sequence[bytes]) -> tuple[Signal, ...]:
        """The signals of payloads of one layout. Raises BitstreamError."""


@runtime_checkable
class TellsFrames(Protocol):
    """What a codec may offer besides: what each frame of a clip was coded as, told by its
    payload."""

    def coded_frames(self, payload: bytes) -> CodedFrames | None:
        """Type and bytes of each frame in the order of display; None where they are not told."""


@runtime_checkable
class DecodesApart(Protocol):
    """What a codec says whose code is not ours: every payload is decoded in a process that never
    receives a sample of an original."""

    @property
    def isolation(self) -> str:
        """How far that process is kept from originals and from what the encoder leaves behind, in
        the words of ``bench.processes.isolation.describe``."""

    def code(self) -> Mapping[str, str]:
        """By path the sha256 of every file of code that ran so far and is part of no installed
        release: more may follow with the first coding."""


@runtime_checkable
class DecodesAfresh(Protocol):
    """What a codec offers whose decoding process lives from one payload to the next."""

    def decode_afresh(self, payload: bytes) -> Signal:
        """``decode`` by a process that has decoded nothing before."""


USUAL = ("gray", "rgb24", "yuv420p", "float64")
"""What a codec that says nothing else is asked to code or to refuse."""


_CURES = ("yuv420p10le", "yuv420p", "rgb24", "gray")
"""What a refused source may be converted to, the nearest first."""


def formats_of(codec: Codec) -> Sequence[str]:
    """The pixel formats that a codec codes. Not in the protocol: some adapters say nothing."""
    found: Sequence[str] = getattr(codec, "formats", USUAL)
    return found


def refusal_of(codec: Codec, layout: Layout) -> str | None:
    """Why a codec cannot code inputs of this layout, with the cure where there is one, or None."""
    formats = formats_of(codec)
    reason = codec.refusal(layout)
    if layout.format.name not in formats:
        reason = f"codes {', '.join(formats)}, not {layout.format.name}"
    if reason is None or layout.samples == "real":
        return reason
    for name in _CURES:
        kind = FORMATS[name]
        if name not in formats or kind.depth > layout.depth or name == layout.format.name:
            continue
        if codec.refusal(replace(layout, format=kind)) is None:
            own = ", via=rgb the codec's input alone" if "via" in codec.parameters else ""
            return f"{reason}; --to {name} converts the source first{own}"
    return reason


LOSSLESS_BYTES = 512 << 20
"""Largest signal that lossless codecs take: a payload of that order is in memory, more than once
while it is put together."""


def refuse_large(codec: str, layout: Layout) -> str | None:
    """Why a signal is too large for a codec whose payload is about as large as its samples."""
    size = layout.frames * layout.frame_bytes
    if size <= LOSSLESS_BYTES:
        return None
    return (
        f"{codec} holds its payload in memory and takes at most {LOSSLESS_BYTES >> 20} MiB of "
        f"samples, not {size >> 20}; code fewer frames"
    )


class CodecBase(ABC):
    """One codec with its settings, built once per process and used for many tasks; an adapter adds
    ``encode`` and ``decode``.

    ``decode`` must rebuild the signal from the payload alone: no state may pass from ``encode``.
    ``settings`` are the card's, with the command line's variations; names and values were checked
    against ``parameters`` before.
    """

    parameters: ClassVar[Mapping[str, Allowed]] = {}
    """Every setting and ladder key that the codec takes."""
    formats: ClassVar[Sequence[str]] = USUAL
    """Pixel formats of inputs that it codes, by ffmpeg's names."""
    ladder_keys: ClassVar[tuple[str, ...] | None] = None
    """The parameters of which one, and one alone, is the ladder of a curve, such as crf and qp;
    None: whatever the card's ladder names."""
    lossless: bool = False

    @classmethod
    def overridden(cls, card: CodecCard) -> Mapping[str, str]:
        """Of a card's settings and the key of its ladder those that do not count, and what counts
        instead: they are refused."""
        return {}

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        """Of a card whose settings and ladder are within ``parameters``; cheap, loads nothing."""
        self.card = card
        self.settings = card.settings
        self.device = device

    @abstractmethod
    def encode(self, signal: Signal, point: Point) -> Encoded:
        """Code all frames of ``signal`` at ``point``. Raises Unsupported or CodecError."""

    @abstractmethod
    def decode(self, payload: bytes) -> Signal:
        """The decoded signal in the layout of the source, of its depth or, where the decoder knows
        a greater one alone, of that: whoever compares rounds. Raises BitstreamError."""

    def refusal(self, layout: Layout) -> str | None:
        """Why inputs of this layout, of one of ``formats``, cannot be coded, or None."""
        return None

    def check_available(self) -> None:
        """Raises Unavailable, with the cure, if a binary, weight file or device is missing."""
        return None

    def versions(self) -> Mapping[str, str]:
        """Name and version of everything whose change may change the bits."""
        return {}

    def command(self, layout: Layout, point: Point) -> Sequence[str]:
        """The command that codes inputs of this layout, for run.json; empty where there is none,
        ``THEN`` between two that follow each other."""
        return ()

    def compared_depth(self) -> int | None:
        """The bits at which YUV of fewer is coded and compared; None: at those of the source."""
        return None

    def colour_path(self, signal: Signal) -> Signal | None:
        """``signal`` through the codec's colour conversion and back, without coding; None where
        the codec codes the samples as they are."""
        return None

    def warm_up(self, signal: Signal, point: Point) -> None:
        """Whatever makes the first call slower than the next, done before timing."""
        return None

    def device_kind(self) -> str:
        """The kind of device whose arithmetic the bits or pixels depend on, such as ``cuda NVIDIA
        H100``: results of two kinds are never pooled. Empty where all machines agree."""
        return ""

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        """``decode`` as another machine might compute it, where that can be tried here; a picture
        may then round differently, but not be another one. None where nothing can differ."""
        return None

    def complexity(self) -> Complexity | None:
        """Of the networks of a learned codec; None for all others."""
        return None

    def reads(self) -> tuple[Path, ...]:
        """Programs and files that ``decode`` needs besides installed packages, the card's weights
        and what card and settings name: all else is out of sight when payloads are proved."""
        return ()

    def estimate(self, signal: Signal, point: Point) -> float | None:
        """The estimate of ``Encoded.bits_estimated`` where encoding does not come by it; asked for
        outside of timing. None where there is none."""
        return None


Codec: TypeAlias = CodecBase
"""What others are written against; an adapter need not inherit, but offer all of it."""


def library_versions(*names: str) -> dict[str, str]:
    """Installed versions of the libraries whose change may change the bits."""
    return {name: version(name) for name in names}
