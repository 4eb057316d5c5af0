"""Describes a metric: its names, its axis, what it applies to and how it averages.

Records, tables, plots, the page and ``check`` derive what they do with a metric from its info, so
that none of them knows a metric by name. Computes nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from bench.signals import Layout, Media, Samples

Scale = Literal["linear", "one_minus_db", "error_db"]

_ID = re.compile(r"[a-z][a-z0-9_]*")
_KINDS = {"rgb": "RGB", "gray": "gray", "yuv420": "4:2:0", "real": "real samples"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricInfo:
    """The description of one metric.

    ``id`` is its column and ``title`` its name in prose. ``definition`` says in one line how it is
    computed; ``purpose`` says what it was made to predict and what not to conclude from it.
    """

    id: str
    title: str
    definition: str
    purpose: str
    unit: str = ""
    higher_is_better: bool = True
    scale: Scale = "linear"
    """How a mean becomes a value of the axis of curves, which grows with quality:
    ``one_minus_db`` is −10·log10(1 − x), for similarities; ``error_db`` is −10·log10(x), for
    errors; ``linear`` is the mean itself, with its sign changed where less is better."""
    cap: float = math.inf
    """The value of identical samples on the axis, and in means of a linear metric."""
    saturation: float = math.inf
    """On the axis: differences above this value are rounding, which ``check`` ignores."""
    tolerance: float
    """On the axis: ``check`` takes a point whose mean moved by less as unchanged."""
    media: tuple[Media, ...] = ("image", "video")
    samples: tuple[Samples, ...] = ("rgb", "gray")
    smallest: tuple[int, int] = (1, 1)
    """Short and long side of the smallest picture, in pixels."""
    whole: bool = False
    """True: one value for a whole clip; False: the mean over one value for each frame."""
    default_for: tuple[Media, ...] = ()
    """Media on which it is measured where nobody names metrics."""
    pooled: bool = False
    """Of a PSNR: the PSNR of the mean MSE of all items is shown beside the mean of the PSNRs."""
    aliases: tuple[str, ...] = ()
    """Its names in published tables."""
    footnote: str = ""
    """A sentence for a report's footnote with what a reader must know to quote a value."""
    needs: str = ""
    """What must be installed besides the project, in words."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise UsageError(
                f"metric id {self.id!r}: write small letters, digits and _, a letter first"
            )
        if not 0 < self.tolerance < math.inf:
            raise UsageError(f"metric {self.id}: tolerance is {self.tolerance}; give one above 0")

    @property
    def axis(self) -> str:
        """The id of the axis on which its curves are drawn and compared."""
        return f"{self.id}_db" if self.scale == "one_minus_db" else self.id

    @property
    def derived(self) -> tuple[str, ...]:
        """Columns of curves.csv that are computed from this metric's values."""
        names = (f"{self.id}_pooled",) if self.pooled else ()
        return (*names, self.axis) if self.axis != self.id else names

    @property
    def frame_columns(self) -> tuple[str, str]:
        """Columns of a clip's worst frame, and of the value that 5 % of frames are worse than."""
        worst = ("min", "p5") if self.higher_is_better else ("max", "p95")
        return (f"{self.id}_{worst[0]}", f"{self.id}_{worst[1]}")

    @property
    def admits(self) -> str:
        """The inputs that it applies to, in words: ``RGB or gray images or videos from 11×11``."""
        kinds = _any_of(_KINDS[kind] for kind in self.samples)
        media = _any_of(f"{medium}s" for medium in self.media)
        least = "×".join(map(str, reversed(self.smallest)))
        return f"{kinds} {media}" + ("" if self.smallest == (1, 1) else f" from {least}")

    def refusal(self, layout: Layout) -> str | None:
        """Why it does not apply to signals of this layout; None if it does."""
        if layout.media not in self.media:
            return f"not defined on {layout.media}s"
        if layout.samples not in self.samples:
            return f"not defined on {_KINDS[layout.samples]}"
        short, long_ = sorted((layout.width, layout.height))
        if short < self.smallest[0] or long_ < self.smallest[1]:
            least = "×".join(map(str, reversed(self.smallest)))
            return f"needs {least} pixels, has {layout.width}×{layout.height}"
        return None

    def default(self, media: str) -> bool:
        """Whether it is measured on this medium where nobody names metrics."""
        return media in self.default_for


def _any_of(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def info_table(info: MetricInfo) -> dict[str, Any]:
    """A metric's info as JSON has it, where infinity, which JSON does not know, is null."""
    return {key: None if value == math.inf else value for key, value in asdict(info).items()}


def read_info(entry: Mapping[str, Any]) -> MetricInfo:
    """The info that ``info_table`` wrote. Raises StoreError for what it cannot have written."""
    known = {key: value for key, value in entry.items() if value is not None}
    lists = {key: tuple(value) for key, value in known.items() if isinstance(value, list)}
    try:
        return MetricInfo(**{**known, **lists})
    except TypeError as error:
        raise StoreError(f"run.json: metric {entry.get('id')}: {error}; it is damaged") from error
