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
_KINDS: Mapping[Samples, str] = {
    "rgb": "RGB", "gray": "gray", "yuv420": "4:2:0", "yuv422": "4:2:2", "yuv444": "4:4:4",
    "real": "real samples",
}  # fmt: skip
YUV: tuple[Samples, ...] = ("yuv420", "yuv422", "yuv444")


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
    depths: tuple[int, ...] = (8,)
    """Bits a sample that it compares."""
    shown: bool = False
    """True: YUV and samples of other depths are compared as a screen of 8 bits shows them, in RGB
    or gray, by the source's matrix (else BT.709) and range."""
    smallest: tuple[int, int] = (1, 1)
    """Short and long side of the smallest picture, in pixels."""
    whole: bool = False
    """True: one value for a whole clip; False: the mean over one value for each frame."""
    of_errors: bool = False
    """Of a PSNR: its mean over frames is the PSNR of the mean of their squared errors."""
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
        yuv = set(YUV) <= set(self.samples)
        words = [_KINDS[kind] for kind in self.samples if not (yuv and kind in YUV)]
        kinds = _any_of([*words, "YUV"] if yuv or self.shown else words)
        media = _any_of(f"{medium}s" for medium in self.media)
        least = "×".join(map(str, reversed(self.smallest)))
        return f"{kinds} {media}" + ("" if self.smallest == (1, 1) else f" from {least}")

    def refusal(self, layout: Layout) -> str | None:
        """Why it does not apply to signals of this layout; None if it does."""
        if layout.media not in self.media:
            return f"not defined on {layout.media}s"
        as_it_is = not self.is_shown(layout)
        if as_it_is and layout.samples not in self.samples:
            return f"not defined on {_KINDS[layout.samples]}"
        if as_it_is and layout.depth not in self.depths:
            return f"not defined on samples of {layout.depth} bits"
        short, long_ = sorted((layout.width, layout.height))
        if short < self.smallest[0] or long_ < self.smallest[1]:
            least = "×".join(map(str, reversed(self.smallest)))
            return f"needs {least} pixels, has {layout.width}×{layout.height}"
        return None

    def is_shown(self, layout: Layout) -> bool:
        """Whether signals of this layout are converted for it, as ``shown`` says."""
        gray = layout.samples == "gray" and "gray" not in self.samples
        if not self.shown or layout.samples == "real" or gray:
            return False
        return layout.samples not in self.samples or layout.depth not in self.depths

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
