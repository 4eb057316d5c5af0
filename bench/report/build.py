"""Writes all files of a report from the records and run.json of one or several results folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cards import Registry, load_registry
from bench.cards.choice import Choice
from bench.errors import StoreError, UsageError
from bench.figures.drawing_process import DrawingProcess
from bench.figures.style import named_style
from bench.report.class_tables import class_section, write_class_rates
from bench.report.content import Content, RateAxis, collect
from bench.report.html.page import write_page
from bench.report.latex import write_latex
from bench.report.pages import write_papers
from bench.report.plots import plan_plots, write_pgfplots
from bench.report.tables import write_bd, write_curves, write_markdown
from bench.results import frames
from bench.results.vault_file import as_folder

# a report's own mark, by which figures, curves and tables of an earlier choice are told from files
# that people put beside them
_OWN = re.compile(rb"\A(?:% \\usepackage\{|bpp )|/Keywords \([0-9a-f]{64}\)|Comment\0[0-9a-f]{64}")
_BY_CHOICE = ("rd_*.*", "curve_*.dat", "frames_*.p*", "ledger.p*", "table_points.tex")
_TABLES = ("curves.csv", "curves.tsv", "bd.csv", "bd_matrix.csv", "table.md")


@dataclass(frozen=True, slots=True, eq=False)
class BuiltReport:
    """What was written where; ``content`` can be printed without reading the folder again.
    ``missing`` says in a line each what pages of the suite could not be written for."""

    folder: Path
    files: tuple[Path, ...]
    content: Content
    missing: tuple[str, ...] = ()


def build(
    folders: Path | Sequence[Path],
    *,
    style: str = "paper",
    overlays: Sequence[str] = (),
    out: Path | None = None,
    registry: Registry | None = None,
    common: bool = False,
    rate_axis: RateAxis | None = None,
    drawing: DrawingProcess | None = None,
    choice: Choice | None = None,
    every_frame: bool = False,
) -> BuiltReport:
    """Writes curves.csv, curves.tsv, bd.csv, bd_matrix.csv, table.md, what LaTeX reads, the plots
    and report.html, and the pages that the suite's card names, from ``registry`` or the project's
    own.

    One folder gets its report beside its records; several need ``out``, and ``common`` where they
    hold different items. ``style`` is ``paper`` or ``ieee``; frames.csv is made anew from each
    folder's store, of all items with ``every_frame``; ``overlays`` are as ``load_overlay`` reads
    them; ``choice`` is what to show, before what the suite's card says. ``drawing`` draws while the
    rest is written; figures that are there already are not drawn again. Raises UsageError and
    StoreError, each one line that says what to do.
    """
    paths = _sources(folders, out)
    look = named_style(style)
    registry = registry or load_registry()
    for path in paths:
        frames.rebuild(path, every=every_frame)
    content = collect(
        paths, overlays=overlays, common=common, rate_axis=rate_axis,
        choice=choice or Choice(), registry=registry,
    )  # fmt: skip
    target = Path(out) if out is not None else paths[0]
    try:
        target.mkdir(parents=True, exist_ok=True)
        drawing = drawing or DrawingProcess(1)
        sheets = plan_plots(content, target, look)
        drawing.draw(sheets)
        write_curves(content, target)
        write_bd(content, target)
        write_markdown(content, target, class_section(content))
        write_class_rates(content, target)
        texts = [*write_latex(content, target), *write_pgfplots(content, target, look)]
        shown = content.choice
        whole = not (shown.codecs or shown.metrics or shown.anchor)  # pages are of whole suites
        pages = write_papers(content.shared, target, registry) if whole else ()
        html = write_page(content, target)
        drawing.finish()
    except OSError as error:
        raise StoreError(
            f"{target}: the report cannot be written: {error.strerror or error}; "
            "free space or give --out"
        ) from error
    tables = [target / name for name in _TABLES] + [p.path for p in pages if p.path is not None]
    missing = tuple(page.missing for page in pages if page.missing)
    figures = [path for sheet in sheets for path in sheet.paths]
    written = (*tables, *figures, *texts, html)
    _remove_earlier(target, written)
    return BuiltReport(target, written, content, missing)


def _remove_earlier(folder: Path, written: Sequence[Path]) -> None:
    """Removes what a report of another choice left, which would stand beside this one's numbers."""
    found = {path for pattern in _BY_CHOICE for path in folder.glob(pattern)}
    for path in sorted(found.difference(written)):
        if path.is_file() and not path.is_symlink() and _OWN.search(path.read_bytes()):
            path.unlink()


def _sources(folders: Path | Sequence[Path], out: Path | None) -> list[Path]:
    paths = [Path(folders)] if isinstance(folders, str | Path) else [Path(f) for f in folders]
    if out is None and (len(paths) != 1 or paths[0].is_file()):
        raise UsageError("a report of several folders or of a vault needs its own; give --out")
    return list(map(as_folder, paths))
