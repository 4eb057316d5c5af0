"""Sizes of the figures: for a paper, or for a column of IEEE's. Draws nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bench.errors import UsageError, near_matches

FAMILY = 3
"""So many single points of one card share one entry of a legend or of the ledger."""

LINE_WIDTHS = {"field": 0.8, "learned": 1.6, "anchor": 1.4}
MARK_SIZES = {"field": 0.85, "learned": 1.2, "anchor": 1.0}
"""By the weight of a line, relative to the style's."""
OTHER_MARKS = ("o", "s", "^", "D", "p", "x", "+", "v")
OTHER_GRAYS = (0.45, 0.6, 0.3)
OTHER_DASH, OTHER_WIDTH = (0, (4, 2)), 0.6
"""Of published curves, which are open marks on dashes."""


@dataclass(frozen=True, slots=True)
class Style:
    """Sizes in inches and points; ``legend_below`` puts the legend under the axes."""

    width: float
    height: float
    font_size: float
    serif: bool
    line: float
    marker: float
    legend_below: bool

    @property
    def family(self) -> str:
        """The font's, one that Matplotlib brings."""
        return "STIXGeneral" if self.serif else "DejaVu Sans"

    @property
    def small(self) -> float:
        """The smallest font size in a figure: 7 points in a column of IEEE's."""
        return self.font_size - 1

    @property
    def settings(self) -> dict[str, Any]:
        """Matplotlib's settings."""
        mathematics = {"mathtext.fontset": "stix"} if self.serif else {}
        return {
            "font.family": self.family,
            "font.size": self.font_size,
            "axes.titlesize": self.font_size,
            "legend.fontsize": self.small,
            "pdf.fonttype": 42,
            "ps.fonttype": 42,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.7,
            "path.simplify": False,
            **mathematics,
        }


STYLES = {
    "paper": Style(6.4, 4.0, 9.0, False, 1.2, 4.0, False),
    "ieee": Style(3.5, 3.0, 8.0, True, 0.9, 3.6, True),
}


def named_style(name: str) -> Style:
    """The style of ``--style``. Raises UsageError for an unknown one."""
    if name not in STYLES:
        raise UsageError(f"unknown style {name!r}; {near_matches(name, STYLES)}")
    return STYLES[name]
