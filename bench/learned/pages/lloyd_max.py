"""The quantiser table of the CIFAR-10 autoencoder paper beside what was measured here.

Reads the mean curves of a report; nothing is measured.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.records import CodecName
from bench.report.pages import Page

if TYPE_CHECKING:
    import pandas as pd

    from bench.cards.suites import Suite
    from bench.report.content import Content

FILE = "quantisers.md"
_FAMILY = "cifar-vae"

# Gashgash & Kim, table 1; MSE on [0, 1]
_PAPER = Path(__file__).parent / "cifar10_lloyd_max.csv"
_PEAK = 255.0**2


@dataclass(frozen=True, slots=True)
class Row:
    """One line: the paper's figures, and ours of the networks trained for SSIM and for MSE."""

    quantiser: str
    levels: str
    paper: tuple[float, float]
    ssim_trained: tuple[float, float] | None
    mse_trained: tuple[float, float] | None


def write(content: Content, folder: Path, suite: Suite) -> Page:
    """Writes quantisers.md where the autoencoder was measured."""
    if not any(codec.startswith(_FAMILY) for codec in content.results.codecs):
        return Page()
    path = folder / FILE
    notes = content.results.run.dataset_notes
    path.write_text(markdown(read_rows(content.curves), notes), encoding="utf-8")
    return Page(path)


def read_rows(table: pd.DataFrame) -> list[Row]:
    """The rows of the table from mean curves; a network that was not measured is None."""
    curves = {(str(row["codec"]), str(row["point"])): row for row in table.to_dict("records")}

    def figures(loss: str, quantiser: str, levels: str) -> tuple[float, float] | None:
        bits = (int(levels) - 1).bit_length() if levels else 32
        for codec, point in curves:
            words = CodecName.parse(codec).settings
            settings = dict(word.split("=") for word in words)
            if not codec.startswith(_FAMILY) or point != f"bits={bits}":
                continue
            found = (settings.get("loss", "ssim"), settings.get("quantiser", "lloyd-max"))
            if found == (loss, quantiser):
                row = curves[codec, point]
                return float(row["mse"]) / _PEAK, float(row["ssim"])
        return None

    with _PAPER.open(encoding="utf-8", newline="") as file:
        return [
            Row(
                row["quantiser"],
                row["levels"],
                (float(row["mse"]), float(row["ssim"])),
                figures("ssim", row["quantiser"], row["levels"]),
                figures("mse", row["quantiser"], row["levels"]),
            )
            for row in csv.DictReader(file)
        ]


def markdown(rows: Sequence[Row], notes: Sequence[str]) -> str:
    """The table, by how much Lloyd–Max is ahead of uniform rounding at 8 levels, and the data
    set's notes, which say how many images there were."""
    lines = [
        "# Quantisers of the CIFAR-10 autoencoder: the paper's Table 1 and this project",
        "",
        "MSE on [0, 1] of 8-bit pictures and SSIM, means over the test images. The paper trained "
        "for SSIM.",
        "",
        "| Quantiser | Levels | MSE, paper | SSIM, paper | MSE, trained for SSIM | "
        "SSIM, trained for SSIM | MSE, trained for MSE | SSIM, trained for MSE |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        cells = [row.quantiser, row.levels or "–"]
        for pair in (row.paper, row.ssim_trained, row.mse_trained):
            cells += [f"{pair[0]:.4f}", f"{pair[1]:.4f}"] if pair else ["–", "–"]
        lines.append(f"| {' | '.join(cells)} |")
    said = [f"- {note}" for note in notes]
    return "\n".join([*lines, "", *_lead(rows), *said]) + "\n"


def _lead(rows: Sequence[Row]) -> list[str]:
    eight = {row.quantiser: row for row in rows if row.levels == "8"}
    lloyd, uniform = eight["lloyd-max"], eight["uniform"]
    lines = []
    for name, one, other in (
        ("the paper", lloyd.paper, uniform.paper),
        ("trained for SSIM", lloyd.ssim_trained, uniform.ssim_trained),
        ("trained for MSE", lloyd.mse_trained, uniform.mse_trained),
    ):
        if one and other:
            lines.append(
                f"- Lloyd–Max ahead of uniform rounding at 8 levels, {name}: "
                f"SSIM +{one[1] - other[1]:.4f}, MSE {one[0] - other[0]:+.4f} "
                f"({100 * (one[0] / other[0] - 1):+.0f} %)"
            )
    return lines
