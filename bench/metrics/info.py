"""What there is to know of a metric besides how it is computed: its row of the one table.

Records, tables, plots, the page and ``check`` derive what they do with a metric from its row, so
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
    """One metric: its names, its axis, what it applies to and how it averages.

    ``id`` is its column; ``title`` its name in prose; ``definition`` says in one line how it is
    computed; ``purpose`` what it was made to predict and what not to conclude from it.
    """

    id: str
    title: str
    definition: str
    purpose: str
    unit: str = ""
    higher_is_better: bool = True
    scale: Scale = "linear"
    """How means become the axis on which curves are compared, which grows with quality:
    ``one_minus_db`` is −10·log10(1 − x), for similarities; ``error_db`` −10·log10(x), for errors;
    ``linear`` the mean itself, its sign turned where less is better."""
    cap: float = math.inf
    """What identical samples count on the axis, and in means of a linear metric."""
    saturation: float = math.inf
    """On the axis: differences above this are rounding, and ``check`` does not see them."""
    tolerance: float
    """On the axis: a point whose mean moved by less did not change, says ``check``."""
    media: tuple[Media, ...] = ("image", "video")
    samples: tuple[Samples, ...] = ("rgb", "gray")
    smallest: tuple[int, int] = (1, 1)
    """Short and long side of the smallest picture, in pixels."""
    whole: bool = False
    """True: one value of a whole clip; else the mean of one value a frame."""
    default_for: tuple[Media, ...] = ()
    """Media on which it is measured where nobody says what is."""
    pooled: bool = False
    """A PSNR: the value of the mean MSE of the set stands beside the mean of the values."""
    aliases: tuple[str, ...] = ()
    """Its names in published tables."""
    footnote: str = ""
    """The sentence of a report's footnote that lets a number be quoted."""
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
        """Columns of curves.csv that follow from this metric and are never measured themselves."""
        names = (f"{self.id}_pooled",) if self.pooled else ()
        return (*names, self.axis) if self.axis != self.id else names

    @property
    def frame_columns(self) -> tuple[str, str]:
        """Columns of a clip's worst frame and of the percentile that 5 % are worse than."""
        worst = ("min", "p5") if self.higher_is_better else ("max", "p95")
        return (f"{self.id}_{worst[0]}", f"{self.id}_{worst[1]}")

    @property
    def admits(self) -> str:
        """The inputs that have a value, in words: ``RGB or gray images or videos from 11×11``."""
        kinds = _any_of(_KINDS[kind] for kind in self.samples)
        media = _any_of(f"{medium}s" for medium in self.media)
        least = "×".join(map(str, reversed(self.smallest)))
        return f"{kinds} {media}" + ("" if self.smallest == (1, 1) else f" from {least}")

    def refusal(self, layout: Layout) -> str | None:
        """Why signals of this layout have no value, or None."""
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
        """Whether it is measured on this medium where nobody says what is."""
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
