"""What each entropy coder saves on the indices of one autoencoder, and where its curve lies beside
the video codecs': the page that the quantised-autoencoder paper left for future work.

Reads records that a report has read already; nothing is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from bench.analysis.bd import compare
from bench.analysis.curves import grids
from bench.analysis.qualities import quality
from bench.records import CodecName
from bench.report.card_facts import training_budgets
from bench.report.pages import Page

if TYPE_CHECKING:
    from bench.cards.suites import Suite
    from bench.report.content import Content
    from bench.results.reader import Results
    from bench.results.run_info import CodecInfo

FILE = "index_coding.md"
_FAMILIES = ("qcae", "qcae-any", "qcae-paper")
_CONDITIONAL = "qcae-rd"
_CODERS = ("fixed", "zlib", "context")
_ANCHOR = "x265"
_CLASSICAL = ("x264", "x265")


@dataclass(frozen=True, slots=True)
class Point:
    """Means of one codec at one codebook size."""

    bpp: float
    estimate: float
    mse: float
    psnr: float
    seconds: float


Points = Mapping[int, Point]


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes index_coding.md where the results hold codec ``qcae`` with all its entropy coders."""
    results = content.results
    family = coders(results, _FAMILIES[0])
    if set(family) != set(_CODERS):
        absent = ", ".join(coder for coder in _CODERS if coder not in family)
        return Page(missing=f"{FILE}: qcae was not measured with coder {absent}" if family else "")
    path = folder / FILE
    path.write_text(markdown(results), encoding="utf-8")
    return Page(path)


def coders(results: Results, family: str) -> dict[str, Points]:
    """The points of each entropy coder of a family of codecs."""
    found: dict[str, Points] = {}
    for codec in results.codecs:
        info = results.info(codec)
        if CodecName.parse(codec).card == family and info is not None:
            found[str(info.settings.get("coder"))] = _points(results, codec)
    return found


def _points(results: Results, codec: str) -> dict[int, Point]:
    records = results.records
    mine = records[(records["codec"] == codec) & (records["status"] == "done")]
    names = ["bpp", "bpp_estimated", "mse", "psnr_rgb", "encode_seconds", "decode_seconds"]
    means = mine.groupby("point", observed=True)[names].mean()
    return {
        int(str(name).partition("=")[2]): Point(
            row["bpp"], row["bpp_estimated"], row["mse"], row["psnr_rgb"],
            max(row["encode_seconds"], row["decode_seconds"]),
        )
        for name, row in means.iterrows()
    }  # fmt: skip


def markdown(results: Results) -> str:
    """The whole page."""
    lines = [f"# {results.run.dataset_title}: what each entropy coder saves", ""]
    lines += [
        f"Means over {results.run.items} clips. The coders of one network see the same indices and "
        "give the same pixels; every byte of a stream is counted, headers included.",
    ]
    fixed = coders(results, _FAMILIES[0])["fixed"]
    for family in _FAMILIES:
        found = coders(results, family)
        if "context" in found:
            lines += ["", f"## {_title(results, family)}", "", *_table(found, fixed), ""]
            lines += [f"- {sentence}" for sentence in _answers(found["context"], fixed)]
    lines += ["", "## Beside the video codecs", ""]
    lines += [f"- {sentence}" for sentence in _beside(results)]
    lines += ["", "## Training behind these figures", ""]
    lines += [f"- {line}" for line in training_budgets(_networks(results))]
    return "\n".join(lines) + "\n"


def _title(results: Results, family: str) -> str:
    info = results.info(family)
    return info.title if info else family


def _networks(results: Results) -> list[CodecInfo]:
    families = (*_FAMILIES, _CONDITIONAL)
    found = [results.info(codec) for codec in results.codecs if codec in families]
    return [info for info in found if info is not None]


def _table(found: Mapping[str, Points], fixed: Points) -> list[str]:
    present = [coder for coder in _CODERS if coder in found]
    head = ["K", "MSE", "PSNR, dB", *(f"{coder}, bpp" for coder in present)]
    head += ["Shannon, bpp", "context / fixed length"]
    rows = [head, ["---:"] * len(head)]
    for codes, point in sorted(found["context"].items()):
        rates = [found[coder][codes].bpp for coder in present]
        rows.append(
            [str(codes), f"{point.mse:.2f}", f"{point.psnr:.2f}"]
            + [f"{rate:.4f}" for rate in rates]
            + [f"{point.estimate:.4f}", f"{100 * point.bpp / fixed[codes].bpp:.1f} %"]
        )
    return [f"| {' | '.join(row)} |" for row in rows]


def _answers(points: Points, fixed: Points) -> list[str]:
    """Sentences on the context-coded points of one family."""
    errors = [points[codes].mse for codes in sorted(points)]
    falls = all(after < before for before, after in pairwise(errors))
    shares = {codes: point.bpp / fixed[codes].bpp for codes, point in points.items()}
    worst = max(shares, key=lambda codes: shares[codes])
    gap = max(abs(point.bpp / point.estimate - 1) for point in points.values())
    slowest = max(point.seconds for point in points.values())
    return [
        f"MSE falls strictly with K over all {len(points)} codebooks: {'yes' if falls else 'no'}.",
        f"Context coding needs at most {100 * shares[worst]:.1f} % of the fixed-length bits "
        f"(K = {worst}).",
        f"Streams are at most {100 * gap:.1f} % off their Shannon estimates, headers included.",
        f"Encoding or decoding a clip takes {slowest:.2f} s at most, means over clips.",
    ]


def _beside(results: Results) -> list[str]:
    lines = _lowest_rates(results)
    measured = grids(results)
    axis = quality("psnr_rgb")
    for codec in (*_FAMILIES, _CONDITIONAL):
        if codec not in measured or _ANCHOR not in measured:
            continue
        found = compare(measured[_ANCHOR], measured[codec], axis)
        said = f"BD-rate {found.rate_percent:+.1f} %" if found.defined else "no BD-rate"
        if math.isfinite(found.hull_percent):
            said += f", that of the convex hulls {found.hull_percent:+.1f} %"
        doubts = f" ({'; '.join(found.warnings)})" if found.warnings else ""
        lines.append(f"{codec} against {_ANCHOR}: {said}{doubts}.")
    return lines


def _lowest_rates(results: Results) -> list[str]:
    """The ends of the curves: what the video codecs cannot go below."""
    records = results.records
    done = records[records["status"] == "done"]
    means = done.groupby(["codec", "point"], observed=True)[["bpp", "psnr_rgb"]].mean()
    lines = []
    for codec in (*_CLASSICAL, *_FAMILIES, _CONDITIONAL):
        if codec in results.codecs:
            bpp, psnr, point = min(
                (row["bpp"], row["psnr_rgb"], str(point))
                for point, row in means.loc[codec].iterrows()
            )
            lines.append(f"Lowest rate of {codec}: {bpp:.4f} bpp at {psnr:.2f} dB ({point}).")
    return lines
