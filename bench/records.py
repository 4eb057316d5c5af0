"""Task and Record, the two frozen dataclasses that cross module boundaries, and what names them."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, TypeGuard

TARGET = "target_bpp"
"""The ladder key of tasks that ask for a rate instead of a parameter."""
Value = int | float | str
Status = Literal["done", "failed", "timeout", "skipped"]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number that a float can hold; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def read_number(text: str) -> float:
    """The number that a text spells, as pandas and TOML's readers take it: Python's own also takes
    digits of other scripts, and underscores, so that "1_0" is ten. Raises ValueError."""
    if not text.isascii() or "_" in text:
        raise ValueError(text)
    return float(text)


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One operating point of a codec's ladder, such as ``crf=27``."""

    key: str
    value: Value

    def __str__(self) -> str:
        return f"{self.key}={self.value}"


@dataclass(frozen=True, slots=True)
class CodecName:
    """A codec as tables name it: the id of its card and, of a variation, its settings in order,
    such as ``x265`` and ``("preset=medium",)``."""

    card: str
    settings: tuple[str, ...] = ()

    @classmethod
    def parse(cls, name: str) -> CodecName:
        """The parts of ``card`` or ``card:key=value,key=value``; knows not whether they exist."""
        card, _, words = name.partition(":")
        return cls(card, tuple(words.split(",")) if words else ())

    def __str__(self) -> str:
        return f"{self.card}:{','.join(self.settings)}" if self.settings else self.card


@dataclass(frozen=True, slots=True)
class Stored:
    """What a metric that is added later must be measured on: a stream, and what it decoded to."""

    bitstream_sha256: str
    mse: float | None
    reached: str | None = None
    kept: Path | None = None
    """Where the stream lies, if it was kept."""

    def kept_stream(self) -> bytes | None:
        """The stream, if it was kept, this process can read it and it is undamaged."""
        if self.kept is None or not self.kept.is_file():
            return None
        payload = self.kept.read_bytes()
        whole = hashlib.sha256(payload).hexdigest() == self.bitstream_sha256
        return payload if whole else None


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement to make: a codec at a point on an item.

    ``codec`` is the id as the user wrote it, settings included (``x265:preset=medium``).
    ``fingerprint`` is the hash of everything that the result depends on: card, settings, codec
    and library versions, weights, device, item content, measurement rules. A stored record of
    another fingerprint does not answer this task.
    """

    codec: str
    point: Point
    item: str
    fingerprint: str
    device: str = ""
    """The kind of device that the fingerprint was made for; empty where results depend on none."""
    lacks: tuple[str, ...] = ()
    """Of a task that is stored already: the metrics that are to be added to its record."""
    stored: Stored | None = None
    """The measurement that ``lacks`` belong to, or whose stream alone is to be kept."""

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.codec, str(self.point), self.item)


@dataclass(frozen=True, slots=True)
class CodedFrames:
    """Of a coded clip, in the order in which frames are shown, the bytes of each and its type: a
    letter a frame, such as ``IBBP``, none where the codec does not tell."""

    sizes: tuple[int, ...]
    types: str = ""


@dataclass(frozen=True, slots=True)
class FrameSummary:
    """What is kept of the frames of a clip beside the means over them."""

    identical: int
    """Frames whose samples all equal the source's."""
    worst: int | None
    """The frame with the largest mse, counted from 0; None where all are identical."""
    scores: Mapping[str, float]
    """The worst frame and the percentile of each metric, by their columns."""
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of each metric that has a value a frame these values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row of records.csv, in its column order; what does not apply is None, never 0.

    Sizes are in pixels and bytes, rates in bits per pixel, times in seconds. ``scores`` are the
    values of metrics by id, each a column; identical pixels give an infinite PSNR.
    """

    suite: str
    dataset: str
    item: str
    codec: str
    point: str
    status: Status
    width: int | None = None
    height: int | None = None
    frames: int | None = None
    channels: int | None = None
    bytes: int | None = None
    header_bytes: int | None = None
    discarded_bytes: int | None = None
    bpp: float | None = None
    bpp_estimated: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    frame_scores: Mapping[str, float] = field(default_factory=dict)
    """Of a clip, as in a FrameSummary; each a column."""
    frame_values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    """Of a clip, as in a FrameSummary; no column, stored beside the record."""
    coded_frames: CodedFrames | None = None
    """Of a clip, where the codec tells; no column, stored beside the record."""
    encode_seconds: float | None = None
    decode_seconds: float | None = None
    bitstream_sha256: str | None = None
    reason: str | None = None
    # columns of our own follow the contract's
    psnr_rgb_ceiling: float | None = None
    """PSNR of the codec's colour conversion alone, without coding."""
    lossless: bool | None = None
    """True: the decoded pixels equal the source's. Only for codecs that claim it."""
    parallel: int | None = None
    """How many tasks ran at the same time; times with more than one are not ranked."""
    encode_cpu_seconds: float | None = None
    decode_cpu_seconds: float | None = None
    encode_spread_seconds: float | None = None
    """Interquartile range of the repeats of ``--timing``."""
    decode_spread_seconds: float | None = None
    repeats: int | None = None
    reached: str | None = None
    """The parameter that came closest to a target rate, such as ``crf=31``."""
    bpp_likelihood: float | None = None
    """Negative log2 likelihood of the quantised symbols, where ``bpp_estimated`` is another
    estimate, such as a KL divergence."""
    fingerprint: str = ""
    remarks: Mapping[str, str] = field(default_factory=dict)
    """By metric that was asked for why it has no value, and what ``RATE_REMARK`` says."""
    rate: str | None = None
    """``estimated``: there is no stream, ``bpp_estimated`` is all; ``reported``: ``bytes`` is the
    word of others; None: the size of a stream that was decoded."""
    frames_identical: int | None = None
    """Of a clip, as in a FrameSummary."""
    worst_frame: int | None = None
    group: str | None = None
    """What the item shares with others of its data set, such as one production."""
    frame_bytes: str | None = None
    """Of a clip the bytes of each frame in order, where the codec tells: ``912 40 38``."""
    format: str | None = None
    """The item's pixel format, with matrix and range as far as it says them."""
    kbps: float | None = None
    """Of a clip 1000 bits a second, at its frame rate."""
    encode_fps: float | None = None
    """Of a clip the frames that are coded a second of ``encode_seconds``."""
    decode_fps: float | None = None

    def with_frames(self, frames: FrameSummary) -> Record:
        """With what is known of the frames of its clip."""
        return replace(
            self,
            frame_scores={**self.frame_scores, **frames.scores},
            frame_values={**self.frame_values, **frames.values},
            frames_identical=frames.identical,
            worst_frame=frames.worst,
        )


FIRST_METRICS = ("mse", "psnr_rgb", "psnr_y", "psnr_yuv", "ssim", "ms_ssim", "vmaf")
"""Metric columns with a place of their own in the format of records.csv; all others are last."""
NO_COLUMNS = ("scores", "frame_scores", "frame_values", "coded_frames")
"""Fields of a record that are no column of that name."""
_FIELDS = tuple(
    field.name for field in fields(Record) if field.name not in NO_COLUMNS or field.name == "scores"
)
_PLACE = _FIELDS.index("scores")
BEFORE_METRICS, AFTER_METRICS = _FIELDS[:_PLACE], _FIELDS[_PLACE + 1 :]
COLUMNS = (*BEFORE_METRICS, *FIRST_METRICS, *AFTER_METRICS)
"""The columns that every records.csv has; further metrics follow."""
ENERGY = ("encode_joules", "decode_joules")
"""Columns beside metrics that are there only where energy was measured."""
RESERVED = frozenset((*BEFORE_METRICS, *AFTER_METRICS, *ENERGY)) | frozenset(
    "checksum records items items_expected items_failed pixels bpp_pooled bound_gap_db".split()
)
"""Names that no metric can have: those of other columns here and in curves.csv."""


OF_FRAMES = ("min", "p5", "max", "p95")
"""Ends of the columns of a metric's frames; `MetricInfo.frame_columns` says which two it has."""
_OF_FRAMES = re.compile(rf"(.+)_(?:{'|'.join(OF_FRAMES)})")


def is_of_frames(column: str, header: Collection[str]) -> bool:
    """Whether a column holds the worst frame or the percentile of another column's metric."""
    match = _OF_FRAMES.fullmatch(column)
    return match is not None and match[1] in header


def columns_of(metrics: Iterable[str]) -> tuple[str, ...]:
    """The columns of a records.csv with these metrics, and what it says of their frames."""
    return (*COLUMNS, *(name for name in dict.fromkeys(metrics) if name not in FIRST_METRICS))


RATE_REMARK = "rate"
"""Key of the remark that the estimate of a rate is not that of the stream; all others are columns
without a value."""
