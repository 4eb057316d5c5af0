"""Everything a report shows, computed once: curves, BD table, summary rows and the footnote.

Formats nothing but the sentences that all outputs share; writes no file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.analysis.bd import Comparison
from bench.analysis.bounds import Bound, dataset_bound
from bench.analysis.curves import Grid, grids, mean_curves
from bench.analysis.overlays import ExtraCurve, load_overlays
from bench.analysis.published import Beside, set_beside
from bench.analysis.qualities import Quality, reported
from bench.analysis.table import BdTable, compare_run, measured_quality
from bench.cards import Registry
from bench.cards.choice import ALL, Choice
from bench.errors import UsageError, near_matches
from bench.report.names import names_of
from bench.results.reader import Results, read_results
from bench.results.run_info import RunInfo

if TYPE_CHECKING:
    import pandas as pd

RateAxis = Literal["log", "linear"]
_ALL = Choice()


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
    linear_rate: bool = False
    published: tuple[Beside, ...] = ()
    choice: Choice = field(default_factory=Choice)
    names: Mapping[str, str] = field(default_factory=dict)
    _shared: Content | None = None
    _lossy: dict[str, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def name(self, codec: str) -> str:
        """What readers call a codec."""
        return self.names.get(codec, codec)

    @property
    def rate_unit(self) -> str:
        return "bits per symbol" if self.results.run.media == "vector" else "bits per pixel"

    @property
    def shared(self) -> Content:
        """The same over the items that every codec was to be measured on, for what sets the codecs
        beside each other; BD-rates are over the items of each pair in both."""
        return self._shared or self

    @property
    def item_word(self) -> str:
        return {"image": "images", "video": "clips", "vector": "blocks"}.get(
            self.results.run.media, "items"
        )

    def counted(self, items: int) -> str:
        """``1 clip``, ``24 images``."""
        return f"{items} {self.item_word if items != 1 else self.item_word.removesuffix('s')}"

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
    common: bool = False,
    rate_axis: RateAxis | None = None,
    choice: Choice = _ALL,
    registry: Registry | None = None,
) -> Content:
    """Reads one or several results folders and computes all that a report shows.

    ``common`` takes of several folders the items that all of them hold; ``rate_axis`` is that of
    the plots; ``choice`` goes over what the suite's card in ``registry`` says. Raises StoreError
    and UsageError as ``read_results`` and ``load_overlay`` do, and UsageError for a choice that is
    not there.
    """
    whole = read_results(folders, common=common)
    choice = choice.over(_of_card(whole, registry))
    results, compared = _chosen(whole, choice)
    run = results.run
    curves = _curves(results)
    names = names_of(compared, registry, choice.labels)
    gray = bool((results.records["channels"].dropna() == 1).all())
    axes = tuple(
        replace(axis, title="PSNR") if gray and axis.id == "psnr_rgb" else axis
        for axis in _axes(results, choice.metrics)
        if axis.column in curves and curves[axis.column].notna().any()
    )
    measured = grids(results)
    published = set_beside(load_overlays(overlays, run.dataset), run, measured)
    bd = compare_run(
        compared, grids(compared), axes, anchor=choice.anchor, matrix=True, published=published
    )
    shown = {*measured, *(one.codec for one in published)}
    bd = replace(bd, comparisons=tuple(c for c in bd.comparisons if c.codec in shown))
    bound = source_bound(run)
    extras = (*(one.curve for one in published), *([] if bound is None else [_as_extra(bound)]))
    # of a vector source SNR grows by 6 dB a bit
    linear = (rate_axis or ("linear" if run.media == "vector" else "log")) == "linear"
    content = Content(
        results, curves, measured, axes, bd, (), extras, linear, published, choice, names
    )
    content = replace(content, rows=tuple(_row(content, codec) for codec in results.codecs))
    if (fewer := results.on_shared_items()) is results:
        return content
    shared = replace(content, results=fewer, curves=_curves(fewer), grids=grids(fewer))
    return replace(content, _shared=shared)


def _of_card(results: Results, registry: Registry | None) -> Choice:
    """What the suite's card chooses of what is there: a part of a suite has its report as well."""
    run = results.run
    if registry is None or run.dataset not in registry.datasets:
        return Choice()
    suite = registry.dataset(run.dataset).suites.get(run.suite)
    if suite is None:
        return Choice()
    said, there = suite.report, results.codecs
    for name in (*said.codecs, *said.labels, *filter(None, [said.anchor])):
        card, known = name.partition(":")[0], [*there, *registry.codecs]
        if name not in there and card not in registry.codecs:
            raise UsageError(f"[report] of suite {suite.id}: {name}: {near_matches(card, known)}")
    for name in (one.removesuffix("_db") for one in said.metrics):
        if name not in (known := [*run.metrics, *suite.metrics]):
            raise UsageError(f"[report] of suite {suite.id}: {name}: {near_matches(name, known)}")
    labels = {codec: text for codec, text in said.labels.items() if codec in there}
    codecs = tuple(codec for codec in said.codecs if codec in there)
    metrics = tuple(name for name in said.metrics if name.removesuffix("_db") in run.metrics)
    records = results.records
    lossy = records["codec"][(records["status"] == "done") & (records["mse"] > 0)]
    anchor = said.anchor if (lossy == said.anchor).any() else None
    return replace(said, codecs=codecs, labels=labels, metrics=metrics, anchor=anchor)


def _chosen(whole: Results, choice: Choice) -> tuple[Results, Results]:
    """The results to show, and those with the anchor, which need not be among them."""
    measured = [name for name in whole.records.columns if whole.records[name].notna().any()]
    known = {ALL, *measured, *(f"{name}_db" for name in measured)}
    if wrong := next((name for name in choice.ylim if name not in known), None):
        raise UsageError(f"ylim of {wrong}: {near_matches(wrong, whole.run.metrics)}")
    for label, count in Counter(choice.labels.values()).items():
        if count > 1:
            named = ", ".join(codec for codec, text in choice.labels.items() if text == label)
            raise UsageError(f"label {label!r} is given to {named}; give each its own")
    for codec in (*choice.labels, *filter(None, [choice.anchor])):
        whole.only([codec])
    if not choice.codecs:
        return whole, whole
    anchor = choice.anchor or whole.run.anchor
    hidden = [anchor] if anchor in whole.codecs and anchor not in choice.codecs else []
    shown = tuple(dict.fromkeys(choice.codecs))
    return whole.only(shown), whole.only([*shown, *hidden])


def _axes(results: Results, wanted: Sequence[str]) -> tuple[Quality, ...]:
    """The axes that the run reports, or the wanted ones in their order."""
    run = results.run
    axes = tuple(reported(run.metrics, run.media, run.metric_info))
    if not wanted:
        return axes
    known = {axis.info.id: axis for axis in axes} | {axis.id: axis for axis in axes}
    return tuple(known.get(name) or measured_quality(results, name)
                 for name in dict.fromkeys(wanted))  # fmt: skip


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


def matched_points(content: Content, item: str) -> tuple[float, dict[str, tuple[str, float]]]:
    """The middle rate of the anchor on an item, of its points by rising rate, and of every codec
    the lossy point nearest to it in ratio with its rate; nothing where no codec has one."""
    records = content.results.records
    own = records[(records["item"] == item) & (records["status"] == "done") & (records["bpp"] > 0)]
    rates: dict[str, dict[str, float]] = {}
    for codec in content.results.codecs:
        lossy = set(content.lossy_points(codec)["point"])
        for point, bpp in own.loc[own["codec"] == codec, ["point", "bpp"]].to_numpy():
            if point in lossy:
                rates.setdefault(codec, {})[str(point)] = float(bpp)
    if not rates:
        return math.nan, {}
    anchor = content.bd.anchor if content.bd.anchor in rates else next(iter(rates))
    middle = sorted(rates[anchor].values())[len(rates[anchor]) // 2]
    nearest = {
        codec: min(each.items(), key=lambda one: abs(math.log(one[1] / middle)))
        for codec, each in rates.items()
    }
    return middle, nearest
