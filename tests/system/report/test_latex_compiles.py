"""Papers that include what a report leaves for LaTeX compile; nothing is wider than its line."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from bench.analysis.overlays import ExtraCurve
from bench.cards.choice import Choice
from bench.figures.style import STYLES
from bench.records import Record
from bench.report.content import collect
from bench.report.latex import write_latex
from bench.report.plots import write_pgfplots
from tests.unit.report.samples import curve_records, record, results_folder
from tests.unit.report.test_latex import made_folder

PAPERS = {
    "IEEEtran, two columns": r"\documentclass[journal]{IEEEtran}",
    "IEEEtran, one column": r"\documentclass[journal,onecolumn]{IEEEtran}",
    "article": r"\documentclass{article}",
}
METRICS = (
    *("psnr_rgb", "psnr_y", "psnr_yuv", "ssim", "ssim_y"),
    *("ms_ssim", "lpips", "vmaf", "psnr_hvs"),
)
GOOD = curve_records("good", 1.0)
INFINITE = float("inf")
HARD = "a_b & co 100% #1:preset=very_slow_and_thorough,tune=[still&picture|x],x={y}~^\\"
LONG = "good:" + ",".join(f"parameter{i}=value{i}" for i in range(12))


def _one(codec: str, psnr: float, bpp: float = 12.0) -> list[Record]:
    return [record(codec, "q=99", f"item{i}", bpp, psnr) for i in range(6)]


def _scored(codec: str, factor: float) -> list[Record]:
    """Nine metrics, of the codec ``near`` without PSNR, of ``far`` without MS-SSIM."""
    hidden = {"near": "psnr_rgb", "far": "ms_ssim"}.get(codec)
    rows = []
    for row in curve_records(codec, factor):
        psnr = row.scores["psnr_rgb"]
        scores = dict.fromkeys(METRICS, psnr) | {"lpips": 10 ** (-psnr / 20)} | row.scores
        rows.append(replace(row, scores={k: v for k, v in scores.items() if k != hidden}))
    return rows


ODD: dict[str, list[Record]] = {
    "one codec": GOOD,
    "one point": _one("good", 33.0, 1.0),
    "lossless alone": [*_one("exact", INFINITE), *_one("other", INFINITE)],
    "25 codecs": [
        row
        for i in range(25)
        for row in curve_records(f"codec number {i}" if i else "good", 1 + 0.03 * i)
    ],
    "nine metrics, values missing": [
        row
        for name, factor in (("good", 1.0), ("near", 0.9), ("far", 2.0))
        for row in _scored(name, factor)
    ],
    "infinite": [*GOOD, *curve_records("near", 0.9), *_one("good", INFINITE),
                 *_one("near", 60.0)[:3], *_one("near", INFINITE)[3:]],
    "names": [*GOOD, *curve_records(HARD, 0.9), *curve_records("Größe-λ-中文→", 1.2),
              *curve_records(LONG, 1.1, points=1)],
    "failed": [*GOOD, *(replace(row, status="failed", scores={}, reason="it broke")
                        for row in curve_records("near", 1.0))],
}  # fmt: skip


def _write(folder: Path, made: Path, choice: Choice, *, overlays: bool = False) -> str:
    """What LaTeX reads of a run, and the lines of a paper that include it."""
    made.mkdir(parents=True)
    content = collect(folder, choice=replace(choice, points=True))
    curve = (0.3, 1.0, 2.0), {"psnr_rgb": (29.0, 34.0, 38.0)}
    theirs = [ExtraCurve(f"theirs_of-long-name_{i}", "published", *curve) for i in range(14)]
    content = replace(content, extras=tuple(theirs if overlays else ()))
    write_latex(content, made)
    figures = [p for p in write_pgfplots(content, made, STYLES["ieee"]) if p.suffix == ".tex"]
    if choice.xlim:
        assert "rotate=90" in figures[0].read_text()  # an arrow to the left, where curves go on
    name = made.name
    floats = [f"\\begin{{figure}}\\input{{{name}/{p.stem}}}\\end{{figure}}" for p in figures]
    tables = [f"\\input{{{name}/{table}}}" for table in ("table", "table_points", "table_notes")]
    return "\n".join(f"{line}\\clearpage" for line in (*floats, *tables))


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with what LaTeX reads of many runs, and the body of a paper that includes it all."""
    folder = tmp_path_factory.mktemp("paper")
    cut = Choice(xlim=(0.5, 2.0))
    body = [_write(made_folder(folder), folder / "made", cut, overlays=True)]
    for place, (name, rows) in enumerate(ODD.items()):
        run = results_folder(
            folder / name, rows, anchor="good" if rows[0].codec == "good" else None,
            change=lambda run: replace(run, metrics=METRICS),
        )  # fmt: skip
        choice = Choice(metrics=() if "metrics" in name else ("psnr_rgb",))
        body.append(_write(run, folder / f"odd{place}", choice))
        if name == "one codec":
            body.append(_write(run, folder / "beside", choice, overlays=True))
    return folder, "\n".join(body)


@pytest.mark.parametrize("kind", PAPERS)
def test_tables_and_figures_compile_in_a_folder_of_a_paper_without_overfull_boxes(
    paper: tuple[Path, str], kind: str
) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here; install texlive-latex-extra, -publishers, -pictures")
    folder, body = paper
    (folder / "paper.tex").write_text(
        f"{PAPERS[kind]}\\usepackage{{booktabs,siunitx,graphicx,pgfplots}}\\begin{{document}}\n"
        f"Text.\n{body}\n\\end{{document}}\n"
    )
    ran = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert [float(pt) for pt in re.findall(r"Overfull \\.box \(([\d.]+)pt", ran.stdout)] == []
    assert "Float too large" not in ran.stdout
