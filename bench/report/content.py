"""Everything a report shows, computed once: curves, BD table, summary rows and the footnote.

Formats nothing but the sentences that all outputs share; writes no file.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bench.analysis.bd import LEAST_OVERLAP_PERCENT, Comparison
from bench.analysis.bootstrap import RESAMPLES, drawn_by_groups
from bench.analysis.bounds import Bound, dataset_bound
from bench.analysis.curves import Grid, grids, mean_curves
from bench.analysis.overlays import ExtraCurve, load_overlays
from bench.analysis.published import Beside, set_beside
from bench.analysis.qualities import Quality, reported
from bench.analysis.table import BdTable, compare_run
from bench.errors import UsageError
from bench.report.card_facts import card_notes
from bench.report.chroma import chroma_sentence
from bench.results.rates import mark_sentences
from bench.results.reader import Results, read_results
from bench.results.run_info import RunInfo, Verdict, shortened

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


def footnote(content: Content) -> list[str]:
    """Sentences that let a number be quoted: averaging, colour path, presets, versions."""
    run = content.results.run
    word = content.item_word
    sentences = [
        f"{run.dataset_title}: {run.items} {word}. Rate counts every byte that a decoder needs, "
        f"in {content.rate_unit}; rate and quality are means over {word}.",
        *(sentence_of(note) for note in (*run.dataset_notes, *run.notes)),
        *_limit_sentences(content),
        *mark_sentences((*content.results.codecs, *(one.codec for one in content.published))),
        *_metric_sentences(content),
    ]
    if content.bd.anchor is not None:
        sentences.append(
            f"BD-rate against {content.bd.anchor}: log rate, PCHIP on the mean curves over their "
            "common quality range, negative saves bits; in brackets the 95 % interval of a paired "
            f"bootstrap over {_drawn(content)} ({RESAMPLES} resamples), no narrower than the "
            "jackknife's, n.s.: not significant; spread: lowest "
            f"and highest over the mean curve, the pooled curve and the mean of the {word}' own "
            "BD-rates, each with PCHIP, cubic and Akima, where it can be computed. There is no "
            f"BD-rate of curves that are not monotonic or share less than {LEAST_OVERLAP_PERCENT:g}"
            " % of their qualities, only by its name that of their convex hulls; no headers: "
            "without header bytes on both sides, where they are more than a tenth of a rate; "
            "1 point: rate at its quality, quality at its rate."
        )
    ceilings = content.curves.groupby("codec", observed=True)["psnr_rgb_ceiling"].min().dropna()
    if len(ceilings):
        low = ", ".join(f"{name} {value:.1f} dB" for name, value in ceilings.items())
        sentences.append(
            "Colour: RGB reaches YUV codecs as BT.709, full range, 4:4:4 unless a setting says "
            f"otherwise; PSNR of that conversion without coding: {low}."
        )
    if halved := chroma_sentence(content):
        sentences.append(halved)
    described = [text for codec in content.results.codecs if (text := describe(content, codec))]
    if described:
        sentences.append("Codecs: " + "; ".join(described) + ".")
    sentences += card_notes(content.results.codecs)
    return [*sentences, *_proof_sentences(run.verdicts), run.timing]


def _drawn(content: Content) -> str:
    """What the bootstrap draws."""
    word = content.item_word
    return f"groups of {word} and {word} in them" if drawn_by_groups(content.groups) else word


def sentence_of(note: str) -> str:
    """A note of a loader or a card with a capital letter and a full stop."""
    return f"{note[:1].upper()}{note[1:]}{'' if note.endswith('.') else '.'}"


def _limit_sentences(content: Content) -> list[str]:
    """Which codecs the suite measures on its first items only, and over what they are compared."""
    results, word = content.results, content.item_word
    fewer: dict[int, list[str]] = {}
    for codec in results.codecs:
        if results.expected(codec) < results.run.items:
            fewer.setdefault(results.expected(codec), []).append(codec)
    if not fewer:
        return []
    told = "; ".join(f"{', '.join(names)} on the first {n}" for n, names in fewer.items())
    said = f"Of {results.run.items} {word} the suite measures {told}."
    if content.bd.anchor is not None:
        said += f" A BD-rate is over the {word} that both codecs have."
    return [f"{said} Plots are over the {content.shared.results.run.items} that all have."]


def _proof_sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """How many streams a fresh process decoded to the same pixels, and what it could see."""
    proofs = [verdict for verdict in verdicts if verdict.check == "fresh_decode"]
    kinds = dict.fromkeys(verdict.isolation for verdict in proofs)
    return [
        f"{sum(one.passed for one in proofs if one.isolation == kind)} of "
        f"{sum(one.isolation == kind for one in proofs)} streams gave the same pixels in a fresh "
        f"process ({kind or 'how far it was isolated is not recorded'})."
        for kind in kinds
    ]


def describe(content: Content, codec: str) -> str:
    """Title, settings and versions of one codec: ``x265: H.265/HEVC (x265, veryslow, 4:4:4, 8 bits)
    (preset=veryslow, x265 4.1)``."""
    info = content.results.info(codec)
    if info is None:
        return ""
    settings = [f"{key}={value}" for key, value in info.settings.items()]
    versions = [f"{key} {shortened(value)}" for key, value in info.versions.items()]
    details = ", ".join([*settings, *versions])
    return f"{codec}: {info.title} ({details})" if details else f"{codec}: {info.title}"


def _metric_sentences(content: Content) -> list[str]:
    notes = (axis.info.footnote for axis in content.axes)
    sentences = list(dict.fromkeys(filter(None, notes)))
    if any(axis.id == "snr" for axis in content.axes):
        sentences.append("SNR is −10·log₁₀ MSE: the source has variance 1.")
    infinite = int(content.curves["psnr_rgb_infinite"].sum())
    if infinite:
        sentences.append(f"{infinite} measurements are lossless (infinite PSNR, 100 dB in means).")
    identical = int(content.curves["frames_identical"].sum())
    if identical:
        sentences.append(
            f"{identical} decoded frames of clips equal the source's (infinite PSNR, 100 dB in the "
            "mean of their clip)."
        )
    return [*sentences, *content.bd.versions]
