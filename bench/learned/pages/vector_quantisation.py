"""The tables of the vector-quantisation paper beside what was measured here, and its questions.

Reads records that a report has read already, and those of the paper's other data set where its
results folder lies beside; nothing is measured.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import BenchError, UsageError
from bench.report.card_facts import training_budgets
from bench.report.footnote import sentence_of
from bench.report.pages import Page
from bench.results.reader import Results, read_results

if TYPE_CHECKING:
    import pandas as pd

    from bench.cards.suites import Suite
    from bench.report.content import Content
    from bench.results.run_info import CodecInfo

FILE = "vector_quantisation.md"
# Akhtyamov: Vector quantized variational image compression, tables 2 and 3
_PAPER = Path(__file__).parent / "vector_quantisation.csv"
_TABLES = {"vimeo90k": "Table 2", "kodak": "Table 3"}
_FAMILY = "vqvae2-"
_HYPERPRIOR = "hyperprior"
_DENSITY = 5 / 64
"""Indices a pixel: a bottom map at 1/4 of the width and height and a top map at 1/8."""
_LEARNED = ("pixelsnail", "transformer")


@dataclass(frozen=True, slots=True)
class Variant:
    """What tells the variations of the codec apart; ``coder`` is the entropy coder, with its input
    where it is PixelSNAIL."""

    codes: int
    dim: int
    coder: str
    tiling: str

    @classmethod
    def of(cls, info: CodecInfo) -> Variant:
        settings = info.settings
        coder = str(settings.get("coder", "adaptive"))
        if coder == "pixelsnail":
            coder = f"{coder}, {settings.get('input', 'indices')}"
        tiling = str(settings.get("tiling", "whole"))
        return cls(int(settings["codes"]), int(settings["dim"]), coder, tiling)


@dataclass(frozen=True, slots=True)
class Measured:
    """Means over the items, and the rates of each item by its name."""

    psnr: float
    bpp: float
    estimate: float
    rates: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Published:
    """One row of the paper's tables; NaN is not given."""

    model: str
    codes: int
    dim: int
    entropy_input: str
    psnr: float
    bpp: float
    zlib: float


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was measured on one data set; ``curve`` is the hyperprior's, (bpp, PSNR) by rate.

    ``refined`` are variants whose encoder searched for codes, with its steps, and
    ``refined_curves`` those of the hyperprior by theirs; ``plain_curve`` is the hyperprior's
    without context.
    """

    dataset: str
    items: int
    variants: Mapping[Variant, Measured]
    curve: tuple[tuple[float, float], ...]
    refined: Mapping[tuple[Variant, int], Measured] = field(default_factory=dict)
    refined_curves: Mapping[int, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    plain_curve: tuple[tuple[float, float], ...] = ()

    def find(self, codes: int, coder: str, tiling: str = "patches") -> Measured | None:
        for variant, measured in self.variants.items():
            if (variant.codes, variant.coder, variant.tiling) == (codes, coder, tiling):
                return measured
        return None


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes vector_quantisation.md where the results hold the paper's codecs. Raises UsageError
    for a suite on a data set of which the paper has no table."""
    results = content.results
    if results.run.dataset not in _TABLES:
        raise UsageError(
            f"suite {suite.id}: the paper has no table for data set {results.run.dataset!r}, only "
            f"for {', '.join(_TABLES)}; take {__name__} off its papers"
        )
    if not any(codec.startswith(_FAMILY) for codec in results.codecs):
        return Page()
    (other,) = set(_TABLES) - {results.run.dataset}
    path = folder / FILE
    path.write_text(markdown(results, _beside(folder.parent / other)), encoding="utf-8")
    return Page(path)


def _beside(folder: Path) -> Results | None:
    """The paper's other data set; None if it was not measured, or not with these codecs."""
    try:
        found = read_results(folder)
    except BenchError:
        return None
    return found if any(codec.startswith(_FAMILY) for codec in found.codecs) else None


def markdown(results: Results, other: Results | None) -> str:
    """The whole page."""
    here = evidence(results)
    paper = published(here.dataset)
    word = "images" if results.run.media == "image" else "items"
    title = f"{results.run.dataset_title}: the paper's {_TABLES[here.dataset]} and this project"
    lines = [
        f"# {title}", "",
        f"Means over {here.items} {word}, coded in patches of 256×256 as in the paper. Rates of "
        "this project count every byte of a stream, which was decoded; Shannon is what the prior "
        "estimates for the same indices. The autoencoder is the same for all entropy coders of a "
        "codebook, so its PSNR is too; in the paper each modification has its own.",
        *map(sentence_of, results.run.dataset_notes), "",
        *_table(
            _HEAD, [_row(row, here) for row in _with_transformer(paper, here)] + _refined_rows(here)
        ),
        "", "All entropy coders, bits per pixel:", "",
        *_coders(here),
        "", "## The paper's questions", "",
        *(f"- {answer}" for answer in answers(here, paper)),
        *(f"- {answer}" for answer in _generalisation(here, evidence(other) if other else None)),
        "", "## Training behind these figures", "",
        *(f"- {line}" for line in training_budgets(_networks(results))),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _networks(results: Results) -> list[CodecInfo]:
    wanted = [c for c in results.codecs if c.startswith(_FAMILY) or c == _HYPERPRIOR]
    found = [results.info(codec) for codec in wanted]
    return [info for info in found if info is not None]


def evidence(results: Results) -> Evidence:
    """The finished records of the paper's codecs, by variation."""
    done = results.records[results.records["status"] == "done"]
    variants, refined, curves = {}, {}, {}
    plain: tuple[tuple[float, float], ...] = ()
    for codec in results.codecs:
        info = results.info(codec)
        mine = done[done["codec"] == codec]
        if codec.startswith(_FAMILY) and info is not None and len(mine):
            steps = int(info.settings.get("refine", 0))
            if steps:
                refined[Variant.of(info), steps] = _measured(mine)
            else:
                variants[Variant.of(info)] = _measured(mine)
        elif info is not None and codec.startswith(f"{_HYPERPRIOR}:") and len(mine):
            if list(info.settings) == ["refine"]:
                curves[int(info.settings["refine"])] = _curve(mine)
            elif info.settings == {"context": "none"}:
                plain = _curve(mine)
    curve = _curve(done[done["codec"] == _HYPERPRIOR])
    return Evidence(results.run.dataset, results.run.items, variants, curve, refined, curves, plain)


def _curve(records: pd.DataFrame) -> tuple[tuple[float, float], ...]:
    points = records.groupby("point", observed=True)
    means = points[["bpp", "psnr_rgb"]].mean().sort_values("bpp")
    return tuple((float(bpp), float(psnr)) for bpp, psnr in means.to_numpy())


def _measured(records: pd.DataFrame) -> Measured:
    pairs = zip(records["item"], records["bpp"], strict=True)
    rates = {str(item): float(bpp) for item, bpp in pairs}
    means = records[["psnr_rgb", "bpp", "bpp_estimated"]].mean()
    psnr, bpp, estimate = (float(value) for value in means)
    return Measured(psnr, bpp, estimate, rates)


def published(dataset: str) -> list[Published]:
    """The paper's rows of a data set."""
    with _PAPER.open(encoding="utf-8", newline="") as file:
        return [
            Published(
                row["model"], int(row["codes"] or 0), int(row["dim"] or 0), row["input"],
                float(row["psnr_rgb"]), float(row["bpp"]), float(row["bpp_zlib"] or "nan"),
            )
            for row in csv.DictReader(file)
            if row["dataset"] == dataset
        ]  # fmt: skip


def _with_transformer(paper: Sequence[Published], here: Evidence) -> list[Published]:
    """With the transformers that were measured: the paper gives no figures of its own."""
    nan = math.nan
    vq = [row for row in paper if row.codes]
    transformers = [
        Published("VQ-Transformer", codes, dim, "indices", nan, nan, nan)
        for codes, dim in dict.fromkeys((row.codes, row.dim) for row in vq)
        if here.find(codes, "transformer")
    ]
    return [*vq, *transformers, *(row for row in paper if not row.codes)]


_HEAD = (
    "Model | Codebook | Prior's input | PSNR, paper | bpp, paper | zlib, paper | PSNR | "
    "bpp (prior) | Shannon | bpp (zlib)"
).split(" | ")


def _row(row: Published, here: Evidence) -> list[str]:
    figures = [_cell(row.psnr, 2), _cell(row.bpp, 2), _cell(row.zlib, 2)]
    if not row.codes:
        return [row.model, "–", "–", *figures, *_hyperprior(row, here.curve)]
    kind = "transformer" if "Transformer" in row.model else f"pixelsnail, {row.entropy_input}"
    prior, plain = here.find(row.codes, kind), here.find(row.codes, "zlib")
    any_ = prior or plain
    return [
        row.model, f"{row.codes} × {row.dim}", row.entropy_input, *figures,
        _cell(any_.psnr if any_ else math.nan, 2),
        _cell(prior.bpp if prior else math.nan, 3),
        _cell(prior.estimate if prior else math.nan, 3),
        _cell(plain.bpp if plain else math.nan, 3),
    ]  # fmt: skip


def _refined_rows(here: Evidence) -> list[list[str]]:
    """Rows of what the paper does not do: codes refined for each image."""
    return [
        [
            f"refined, {steps} steps", f"{variant.codes} × {variant.dim}",
            variant.coder.rpartition(", ")[2], "–", "–", "–",
            _cell(found.psnr, 2), _cell(found.bpp, 3), _cell(found.estimate, 3), "–",
        ]
        for (variant, steps), found in here.refined.items()
    ]  # fmt: skip


def _hyperprior(row: Published, curve: Sequence[tuple[float, float]]) -> list[str]:
    """This project's rate at the paper's PSNR, between its operating points."""
    rate = rate_at(curve, row.psnr)
    if math.isnan(rate):
        return ["–", "–", "–", "–"]
    return [_cell(row.psnr, 2), _cell(rate, 3), "–", "–"]


def rate_at(curve: Sequence[tuple[float, float]], psnr: float) -> float:
    """Rate of a (bpp, PSNR) curve at a PSNR, straight between points in log rate; NaN outside."""
    qualities = [quality for _, quality in curve]
    if not curve or not min(qualities) <= psnr <= max(qualities):
        return math.nan
    return float(np.exp(np.interp(psnr, qualities, np.log([rate for rate, _ in curve]))))


def _coders(here: Evidence) -> list[str]:
    """A row for each codebook and tiling, a column for each entropy coder."""
    order = ["fixed", "zlib", "zlib-bytes", "adaptive", "transformer", "pixelsnail, indices",
             "pixelsnail, vectors"]  # fmt: skip
    rows = []
    kinds = dict.fromkeys((v.codes, v.dim, v.tiling) for v in here.variants)
    for codes, dim, tiling in sorted(kinds):
        found = [here.find(codes, coder, tiling) for coder in order]
        psnr = next(each.psnr for each in found if each)
        cells = [_cell(each.bpp if each else math.nan, 3) for each in found]
        rows.append([f"{codes} × {dim}", tiling, _cell(psnr, 2), *cells])
    return _table(["Codebook", "Tiling", "PSNR", *order], rows)


def answers(here: Evidence, paper: Sequence[Published]) -> list[str]:
    """Sentences computed from the records of one data set."""
    codebooks = sorted({variant.codes for variant in here.variants})
    lines = []
    for codes in codebooks:
        lines += _order_of_coders(here, codes, paper)
    lines += _pair(
        here, "Input of PixelSNAIL, 512 codes", 512, "pixelsnail, indices", "pixelsnail, vectors"
    )
    for codes in codebooks:
        prior = "pixelsnail, indices" if codes == 512 else "pixelsnail, vectors"
        lines += _pair(here, f"Prior, {codes} codes", codes, "transformer", prior)
    lines += _beside_the_paper(here, paper)
    lines += _refinement(here, paper)
    by_name = {row.model: row for row in paper}
    lines += _larger(here, by_name["VQ-PixelSNAIL-1"], by_name["VQ-PixelSNAIL-2"])
    hyperprior = by_name["Conv-HyperPrior"]
    rate = rate_at(here.curve, hyperprior.psnr)
    if not math.isnan(rate):
        lines.append(
            f"Convolutional hyperprior: {hyperprior.psnr:.2f} dB cost {rate:.3f} bpp here, "
            f"{hyperprior.bpp:.2f} in the paper."
        )
    plain = rate_at(here.plain_curve, hyperprior.psnr)
    if not math.isnan(plain):
        lines.append(
            f"Without context, as in the paper: {plain:.3f} bpp, {100 * (plain / rate - 1):+.1f} %."
        )
    for steps, curve in here.refined_curves.items():
        less = rate_at(curve, hyperprior.psnr)
        if not math.isnan(less):
            lines.append(
                f"Its latents refined by the encoder in {steps} steps: {less:.3f} bpp, "
                f"{100 * (less / rate - 1):+.1f} %."
            )
    return lines + _against_hyperprior(here)


def _order_of_coders(here: Evidence, codes: int, paper: Sequence[Published]) -> list[str]:
    plain, fixed = here.find(codes, "zlib"), here.find(codes, "fixed")
    if plain is None or fixed is None:
        return []
    bits = (codes - 1).bit_length()
    theirs = [f"{row.zlib:.2f}" for row in paper if row.codes == codes and row.zlib > 0]
    said = f"; the paper's {' and '.join(theirs)} are also above {bits * _DENSITY:.3f}"
    lines = [
        f"zlib below the 16-bit indices that it is given, {codes} codes: "
        f"{'yes' if plain.bpp < 16 * _DENSITY else 'no'}, {plain.bpp:.3f} against "
        f"{16 * _DENSITY:.3f} bpp; below {bits} bits an index: {_below(plain, fixed)}"
        f"{said if theirs and plain.bpp > fixed.bpp else ''}."
    ]
    packed = here.find(codes, "zlib-bytes")
    if packed is not None:
        lines.append(
            "zlib on the low bytes of all indices and their high bits after them, below "
            f"{bits} bits an index, {codes} codes: {_below(packed, fixed)}."
        )
    for variant, prior in here.variants.items():
        kind = variant.coder.partition(",")[0]
        if (variant.codes, variant.tiling) == (codes, "patches") and kind in _LEARNED:
            off = 100 * (prior.bpp / prior.estimate - 1)
            lines.append(
                f"{variant.coder} below zlib, {codes} codes: {_below(prior, plain)}; the stream is "
                f"{off:+.2f} % off its Shannon estimate."
            )
    return lines


def _below(one: Measured, other: Measured) -> str:
    shared = one.rates.keys() & other.rates.keys()
    fewer = sum(one.rates[item] < other.rates[item] for item in shared)
    verdict = "yes" if one.bpp < other.bpp else "no"
    change = 100 * (one.bpp / other.bpp - 1)
    return (
        f"{verdict}, {one.bpp:.3f} against {other.bpp:.3f} bpp ({change:+.1f} %), on {fewer} of "
        f"{len(shared)} images"
    )


def _pair(here: Evidence, what: str, codes: int, one: str, other: str) -> list[str]:
    first, second = here.find(codes, one), here.find(codes, other)
    if first is None or second is None:
        return []
    shared = sorted(first.rates.keys() & second.rates.keys())
    change = np.array([100 * (second.rates[i] / first.rates[i] - 1) for i in shared])
    half = 1.96 * change.std(ddof=1) / math.sqrt(len(change)) if len(change) > 1 else math.nan
    verdict = "undecided" if not abs(change.mean()) > half else (
        f"{other if change.mean() < 0 else one} is ahead"
    )  # fmt: skip
    return [
        f"{what}: {other} needs {change.mean():+.2f} ± {half:.2f} % of the rate of {one} "
        f"({second.bpp:.3f} and {first.bpp:.3f} bpp, 95 % interval over {len(shared)} images): "
        f"{verdict}."
    ]


def _beside_the_paper(here: Evidence, paper: Sequence[Published]) -> list[str]:
    lines = []
    for row in paper:
        mine = here.find(row.codes, f"pixelsnail, {row.entropy_input}") if row.codes else None
        if mine is not None:
            lines.append(
                f"{row.model} beside the paper's: {mine.psnr - row.psnr:+.2f} dB at "
                f"{100 * (mine.bpp / row.bpp - 1):+.0f} % rate."
            )
    return lines


def _refinement(here: Evidence, paper: Sequence[Published]) -> list[str]:
    """What a search for codes gains, and how that lies to the paper's rows of the codebook."""
    lines = []
    for (variant, steps), found in here.refined.items():
        plain = here.variants.get(variant)
        if plain is None:
            continue
        theirs = [
            f"{found.psnr - row.psnr:+.2f} dB at {100 * (found.bpp / row.bpp - 1):+.0f} % rate "
            f"beside {row.model}"
            for row in paper
            if row.codes == variant.codes
        ]
        lines.append(
            f"Codes refined by the encoder in {steps} steps, {variant.codes} codes with "
            f"{variant.coder}: {found.psnr - plain.psnr:+.2f} dB at "
            f"{100 * (found.bpp / plain.bpp - 1):+.1f} % rate beside those of the network alone; "
            f"{' and '.join(theirs)}."
        )
    return lines


def _larger(here: Evidence, small: Published, large: Published) -> list[str]:
    one, two = here.find(small.codes, "pixelsnail, indices"), here.find(
        large.codes, "pixelsnail, vectors"
    )  # fmt: skip
    if one is None or two is None:
        return []
    return [
        f"A larger codebook and latent ({large.codes} × {large.dim} instead of "
        f"{small.codes} × {small.dim}): {two.psnr - one.psnr:+.2f} dB at "
        f"{two.bpp - one.bpp:+.3f} bpp here; {large.psnr - small.psnr:+.2f} dB at "
        f"{large.bpp - small.bpp:+.2f} bpp in the paper."
    ]


def _against_hyperprior(here: Evidence) -> list[str]:
    lines = []
    for variant, prior in here.variants.items():
        rate = rate_at(here.curve, prior.psnr)
        if variant.tiling == "patches" and variant.coder in ("pixelsnail, indices",
                                                             "pixelsnail, vectors"):  # fmt: skip
            if math.isnan(rate):
                low, high = (here.curve[0][1], here.curve[-1][1]) if here.curve else (0.0, 0.0)
                said = f"the hyperprior was measured from {low:.2f} to {high:.2f} dB only"
            else:
                said = f"the hyperprior needs {rate:.3f} bpp for the same PSNR"
            lines.append(
                f"{variant.codes} codes with {variant.coder}: {prior.psnr:.2f} dB at "
                f"{prior.bpp:.3f} bpp; {said}."
            )
    return lines


def _generalisation(here: Evidence, other: Evidence | None) -> list[str]:
    """From Vimeo-90k to Kodak, here and in the paper."""
    if other is None:
        missing = next(iter(set(_TABLES) - {here.dataset}))
        return [f"Generalisation: {missing} was not measured beside this folder."]
    vimeo, kodak = (here, other) if here.dataset == "vimeo90k" else (other, here)
    lines = []
    for before, after in zip(published("vimeo90k"), published("kodak"), strict=True):
        said = (
            f"{after.psnr - before.psnr:+.2f} dB and {100 * (after.bpp / before.bpp - 1):+.0f} % "
            "rate in the paper"
        )
        if not before.codes:
            one, two = rate_at(vimeo.curve, before.psnr), rate_at(kodak.curve, before.psnr)
            mine = f"{100 * (two / one - 1):+.0f} % rate at {before.psnr:.2f} dB here"
        else:
            coder = f"pixelsnail, {before.entropy_input}"
            pair = vimeo.find(before.codes, coder), kodak.find(before.codes, coder)
            if pair[0] is None or pair[1] is None:
                continue
            change = 100 * (pair[1].bpp / pair[0].bpp - 1)
            mine = f"{pair[1].psnr - pair[0].psnr:+.2f} dB and {change:+.0f} % rate here"
        lines.append(f"From Vimeo-90k to Kodak, {before.model}: {mine}; {said}.")
    trained = (
        "The networks here saw neither: they were trained on other pictures, so this is the "
        "difference in difficulty of the two sets, which the paper's figures contain as well."
    )
    return [*lines, trained]


def _cell(value: float, digits: int) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---"] * 3 + ["---:"] * (len(head) - 3)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]
