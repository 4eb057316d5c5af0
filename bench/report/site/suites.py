"""What the site shows of one results folder: from its records, or where they are not there from the
tables that a report left. Writes nothing."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cards import Registry
from bench.errors import StoreError
from bench.figures.plot import CurvePlot, Line, Weight
from bench.report.chroma import marked
from bench.report.content import Content, collect
from bench.report.footnote import footnote
from bench.report.line_styles import ANCHOR_COLOUR, FIELD_COLOURS
from bench.report.plots import curve_plot
from bench.report.remarks import warnings_of
from bench.report.tables import point_table, summary_table
from bench.results.rates import unmarked
from bench.results.run_info import CodecInfo, RunInfo, read_run
from bench.results.table import FILE
from bench.results.vault_file import Vault

Cells = list[str]
_RATE = re.compile(r"([+−]\d+(?:\.\d+)?)( \[|$)")
_BD = "BD-rate"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table as all outputs show it."""

    columns: Cells
    rows: list[Cells]


@dataclass(frozen=True, slots=True, eq=False)
class SuitePage:
    """One suite of the site. ``name`` is the folder's and its place in addresses; ``codecs`` are in
    the order of the summary's rows; ``content`` is None where ``missing`` says what is not there.
    """

    name: str
    folder: Path
    run: RunInfo
    codecs: tuple[str, ...]
    summary: Sheet
    points: Sheet
    sentences: Mapping[str, Sequence[str]]
    """Remarks and the footnote under their headings."""
    plot: CurvePlot | None
    content: Content | None
    missing: str = ""

    def info(self, codec: str) -> CodecInfo | None:
        return next((one for one in self.run.codecs if one.id == unmarked(codec)), None)

    def cell(self, codec: str, start: str) -> str:
        """The codec's first cell in a column whose heading begins so; empty where there is none."""
        row = dict(zip(self.codecs, self.summary.rows, strict=False)).get(codec, [])
        found = (c for name, c in zip(self.summary.columns, row, strict=False) if
                 name.startswith(start))  # fmt: skip
        return next(found, "")

    @property
    def bd_heading(self) -> str:
        return next((name for name in self.summary.columns if name.startswith(_BD)), "")

    def best(self) -> str:
        """The codec with the lowest BD-rate that is measured and, over several items, has an
        interval, with that rate; empty where no codec saves bits."""
        found = [
            (float(rate[1].replace("−", "-")), row[0], rate[1])
            for codec, row in zip(self.codecs, self.summary.rows, strict=False)
            if codec == unmarked(codec) and "n.s." not in (cell := self.cell(codec, _BD))
            and (rate := _RATE.match(cell)) and (rate[2] or self.run.items == 1)
        ]  # fmt: skip
        lowest = min(found, default=None)
        return f"{lowest[1]}: {lowest[2]} %" if lowest and lowest[0] < 0 else ""


def slug(codec: str) -> str:
    """The place of a codec in addresses: of its id alone, so that links stay."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", codec).strip("-.")
    if plain == codec:
        return plain
    return f"{plain[:80]}-{hashlib.sha256(codec.encode()).hexdigest()[:6]}"


def read_suite(folder: Path, registry: Registry, vaults: Sequence[Vault]) -> SuitePage:
    """One results folder, beside it what vaults hold of its data set and it does not. Raises
    StoreError where neither records nor tables can be read."""
    run = read_run(folder)
    if not (folder / FILE).is_file():
        return _from_tables(folder, run)
    text = (folder / FILE).read_text(encoding="utf-8")
    others = [
        str(vault.path) for vault in vaults
        if vault.run.dataset == run.dataset
        and not all((record.bitstream_sha256 or "") in text for record in vault.records)
    ]  # fmt: skip
    return _from_records(folder, collect([folder], registry=registry, overlays=others))


def _from_records(folder: Path, content: Content) -> SuitePage:
    plots = (curve_plot(content, axis) for axis in content.axes)
    return SuitePage(
        _name(folder), folder, content.results.run, content.results.codecs,
        Sheet(*summary_table(content)), Sheet(*point_table(content)),
        {"Mind": warnings_of(content), "How these numbers were made": footnote(content)},
        next((plot for plot in plots if plot is not None), None), content,
    )  # fmt: skip


def _name(folder: Path) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("-.") or "results"


def names_on_page(content: Content) -> dict[str, str]:
    """By every name that the page gives a codec its id."""
    ids = {content.name(codec): codec for codec in content.results.codecs}
    return ids | {marked(content, codec): codec for codec in content.results.codecs}


def _from_tables(folder: Path, run: RunInfo) -> SuitePage:
    try:
        text = (folder / "table.md").read_text(encoding="utf-8")
        with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
            curves = list(csv.DictReader(file))
        codecs = tuple(dict.fromkeys(row["codec"] for row in curves))
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(
            f"{folder}: neither {FILE} nor readable tables of a report ({error}); "
            "run the suite again, then bench report"
        ) from error
    parts = _sections(text)
    summary, points = (_sheet(parts.get(name, [])) for name in ("", "All points"))
    shown = {
        name: [_plain(line[2:]) for line in lines if line.startswith("- ")]
        for name, lines in parts.items() if name in ("Mind", "How these numbers were made")
    }  # fmt: skip
    return SuitePage(
        _name(folder), folder, run, codecs if len(codecs) == len(summary.rows) else (),
        summary, points, shown, _plot(curves, run.anchor), None,
        f"{FILE} is not in this folder: the tables are those of the report that was made from it; "
        f"`bench run --suite {run.suite}` measures it again, for the interactive report.",
    )  # fmt: skip


def _sections(text: str) -> dict[str, list[str]]:
    """The lines of table.md by the heading they stand under; the summary's is empty."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in text.splitlines():
        if line.startswith("## "):
            heading = _plain(line[3:])
        found.setdefault(heading, []).append(line)
    return found


def _sheet(lines: Sequence[str]) -> Sheet:
    cells = [
        [_plain(cell) for cell in re.split(r"(?<!\\) \| ", line.strip()[2:-2])]
        for line in lines if line.startswith("| ")
    ]  # fmt: skip
    return Sheet(cells[0], cells[2:]) if cells else Sheet([], [])


def _plain(text: str) -> str:
    for written, meant in (("\\|", "|"), ("&lt;", "<"), ("&amp;", "&")):
        text = text.replace(written, meant)
    return text.strip()


def _plot(curves: Sequence[Mapping[str, str]], anchor: str | None) -> CurvePlot | None:
    """PSNR, or SNR, over rate."""
    column = next(
        (c for c in ("psnr_rgb", "snr", "psnr_y") if any(row.get(c) for row in curves)), ""
    )
    lines: list[Line] = []
    for codec in dict.fromkeys(row["codec"] for row in curves):
        points = sorted(
            (float(row["bpp"]), float(row[column])) for row in curves
            if row["codec"] == codec and row["bpp"] and row.get(column)
            and row.get("psnr_rgb_infinite") != row.get("items")
        )  # fmt: skip
        if points:
            rate, quality = zip(*points, strict=True)
            first = codec == anchor
            colour = ANCHOR_COLOUR if first else FIELD_COLOURS[len(lines) % len(FIELD_COLOURS)]
            weight: Weight = "anchor" if first else "field"
            lines.append(Line(codec, rate, quality, colour, "o", "-", weight, (codec,)))
    if not lines:
        return None
    rates = [rate for line in lines for rate in line.rate if rate > 0]
    qualities = [quality for line in lines for quality in line.quality]
    title = {"snr": "SNR", "psnr_y": "PSNR-Y"}.get(column, "PSNR-RGB")
    return CurvePlot(
        tuple(lines), (), (min(rates) / 1.1, max(rates) * 1.1),
        (min(qualities) - 0.5, max(qualities) + 0.5), "Rate (bits per pixel)", f"{title} (dB)",
    )  # fmt: skip
