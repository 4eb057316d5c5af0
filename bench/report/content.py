"""Everything a report shows, computed once: curves, BD table, summary rows and the footnote.

Formats nothing but the sentences that all outputs share; writes no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.analysis.bd import Comparison
from bench.analysis.bounds import Bound, dataset_bound
from bench.analysis.curves import Grid, grids, mean_curves
from bench.analysis.overlays import ExtraCurve, load_overlays
from bench.analysis.published import Beside, set_beside
from bench.analysis.qualities import Quality, reported
from bench.analysis.table import BdTable, compare_run
from bench.errors import UsageError
from bench.results.reader import Results, read_results
from bench.results.run_info import RunInfo

if TYPE_CHECKING:
    import pandas as pd

RateAxis = Literal["log", "linear"]


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """One codec in the summary; rates are in bits per pixel (symbol), times are means over points.

    ``comparisons`` has one entry per reported axis, None for the anchor and for lossless codecs.
    ``failed`` counts records that are not done; ``incomplete`` marks curves over fewer items.
    """

    codec: str
    title: str
    points: int
    items: int
    items_expected: int
    failed: int
    rate_low: float
    rate_high: float
    lossless: bool
    comparisons: tuple[Comparison | None, ...]
    encode_seconds: float
    decode_seconds: float

    @property
    def incomplete(self) -> bool:
        return self.items < self.items_expected or self.failed > 0


@dataclass(frozen=True, slots=True, eq=False)
class Content:
    """What a report is made from."""

    results: Results
    curves: pd.DataFrame
    grids: dict[str, Grid]
    axes: tuple[Quality, ...]
    bd: BdTable
    rows: tuple[SummaryRow, ...]
    extras: tuple[ExtraCurve, ...]
    rate_axis: RateAxis | None = None
    published: tuple[Beside, ...] = ()
    _shared: Content | None = None
    _lossy: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    @property
    def rate_unit(self) -> str:
        return "bits per symbol" if self.results.run.media == "vector" else "bits per pixel"

    @property
    def shared(self) -> Content:
        """The same over the items that every codec was to be measured on, for what sets the codecs
        beside each other; BD-rates are over the items of each pair in both."""
        return self._shared or self

    @property
    def linear_rate(self) -> bool:
        """Plots against linear rate: as asked for, else of a vector source, whose SNR grows by 6 dB
        a bit."""
        if self.rate_axis is not None:
            return self.rate_axis == "linear"
        return self.results.run.media == "vector"

    @property
    def item_word(self) -> str:
        return {"image": "images", "video": "clips", "vector": "blocks"}.get(
            self.results.run.media, "items"
        )

    @property
    def groups(self) -> tuple[str, ...]:
        """The group of each item, none where no item has one."""
        return next((grid.groups for grid in self.grids.values()), ())

    @property
    def parallel(self) -> bool:
        """Times were taken while other tasks ran: they are shown, not ranked."""
        return bool((self.curves["parallel"] > 1).any())

    def lossy_points(self, codec: str) -> pd.DataFrame:
        """The points of a codec that have distortion, by rising rate."""
        if codec not in self._lossy:
            points = self.curves[self.curves["codec"] == codec]
            lossless = (points["items"] > 0) & (points["psnr_rgb_infinite"] == points["items"])
            self._lossy[codec] = points[~lossless & (points["items"] > 0)].sort_values("bpp")
        return self._lossy[codec]


def collect(
    folders: Path | Sequence[Path],
    *,
    overlays: Sequence[str] = (),
    extras: Sequence[ExtraCurve] = (),
    common: bool = False,
    rate_axis: RateAxis | None = None,
) -> Content:
    """Reads one or several results folders and computes all that a report shows.

    ``extras`` are further curves to draw, such as a bound; ``common`` takes of several folders the
    items that all of them hold; ``rate_axis`` is that of the plots. Raises StoreError and
    UsageError as ``read_results`` and ``load_overlay`` do.
    """
    results = read_results(folders, common=common)
    run = results.run
    curves = _curves(results)
    bound = source_bound(run)
    if bound is not None:
        extras = (*extras, _as_extra(bound))
    gray = bool((results.records["channels"].dropna() == 1).all())
    axes = tuple(
        replace(axis, title="PSNR") if gray and axis.id == "psnr_rgb" else axis
        for axis in reported(run.metrics, run.media, run.metric_info)
        if axis.column in curves and curves[axis.column].notna().any()
    )
    measured = grids(results)
    published = set_beside(load_overlays(overlays, run.dataset), run, measured)
    bd = compare_run(results, measured, axes, matrix=True, published=published)
    extras = (*(one.curve for one in published), *extras)
    content = Content(results, curves, measured, axes, bd, (), extras, rate_axis, published)
    content = replace(content, rows=tuple(_row(content, codec) for codec in results.codecs))
    return replace(content, _shared=_over_shared_items(content))


def _over_shared_items(content: Content) -> Content | None:
    results = content.results.on_shared_items()
    if results is content.results:
        return None
    return replace(content, results=results, curves=_curves(results), grids=grids(results))


def _curves(results: Results) -> pd.DataFrame:
    """The mean curves; of a vector source with each point's distance from the bound."""
    curves = mean_curves(results)
    bound = source_bound(results.run)
    if bound is not None:
        curves["bound_gap_db"] = [
            bound.gap_db(rate, mse) if mse > 0 else math.nan
            for rate, mse in zip(curves["bpp"], curves["mse"], strict=True)
        ]
    return curves


def source_bound(run: RunInfo) -> Bound | None:
    """R(D) of a vector source; None where the data set's card is not at hand or has no bound."""
    if run.media != "vector":
        return None
    try:
        return dataset_bound(run.dataset)
    except UsageError:
        # a report needs only the results folder: the card may live on another machine
        return None


def _as_extra(bound: Bound) -> ExtraCurve:
    drawn = bound.rates > 0
    rates = tuple(float(rate) for rate in bound.rates[drawn])
    return ExtraCurve(
        bound.title, "bound", rates, {"mse": tuple(float(mse) for mse in bound.mses[drawn])}
    )


def _row(content: Content, codec: str) -> SummaryRow:
    points = content.curves[content.curves["codec"] == codec]
    finished = points[points["items"] > 0]
    info = content.results.info(codec)
    lossless = len(finished) > 0 and content.lossy_points(codec).empty
    comparisons = tuple(content.bd.find(codec, axis.id) for axis in content.axes)
    return SummaryRow(
        codec,
        info.title if info else codec,
        len(finished),
        int(finished["items"].min()) if len(finished) else 0,
        content.results.expected(codec),
        int(points["items_failed"].sum()),
        float(finished["bpp"].min()) if len(finished) else math.nan,
        float(finished["bpp"].max()) if len(finished) else math.nan,
        lossless,
        (None,) * len(comparisons) if lossless else comparisons,
        float(finished["encode_seconds"].mean()) if len(finished) else math.nan,
        float(finished["decode_seconds"].mean()) if len(finished) else math.nan,
    )
