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
from bench.report.content import collect
from bench.report.latex import write_latex
from bench.report.plots import write_pgfplots
from tests.unit.report.test_latex import made_folder

PAPERS = {
    "IEEEtran, two columns": r"\documentclass[journal]{IEEEtran}",
    "IEEEtran, one column": r"\documentclass[journal,onecolumn]{IEEEtran}",
    "article": r"\documentclass{article}",
}


@pytest.mark.parametrize("paper", PAPERS)
def test_tables_and_figures_compile_in_a_folder_of_a_paper_without_overfull_boxes(
    tmp_path: Path, paper: str
) -> None:
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here; install texlive-latex-extra, -publishers, -pictures")
    (tmp_path / "made").mkdir()
    content = collect(made_folder(tmp_path), choice=Choice(points=True, xlim=(0.5, 2.0)))
    curve = (0.3, 1.0, 2.0), {"psnr_rgb": (29.0, 34.0, 38.0)}
    theirs = (ExtraCurve(f"theirs_of-long-name_{i}", "published", *curve) for i in range(14))
    content = replace(content, extras=tuple(theirs))
    write_latex(content, tmp_path / "made")
    figures = [p for p in write_pgfplots(content, tmp_path / "made", "ieee") if p.suffix == ".tex"]
    assert "rotate=90" in figures[0].read_text()  # an arrow to the left, where curves go on
    floats = "\n".join(
        f"\\begin{{figure}}\\input{{made/{one.stem}}}\\end{{figure}}" for one in figures
    )
    (tmp_path / "paper.tex").write_text(
        f"{PAPERS[paper]}\\usepackage{{booktabs,siunitx,graphicx,pgfplots}}\\begin{{document}}\n"
        f"Text.\n\\input{{made/table}}\n{floats}\n\\input{{made/table_points}}\n"
        "\\clearpage\\input{made/table_notes}\n\\end{document}\n"
    )
    ran = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-2000:]
    assert [float(pt) for pt in re.findall(r"Overfull \\.box \(([\d.]+)pt", ran.stdout)] == []
    assert "Float too large" not in ran.stdout
