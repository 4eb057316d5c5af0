"""The mark of 4:2:0 and the rate from which on halved chroma costs quality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.provenance import RunInfo
from bench.report.chroma import chroma_sentence, codes_420, marked
from bench.report.content import Content, collect, footnote
from bench.report.tables import write_latex, write_markdown
from tests.report.samples import curve_records, results_folder


def _content(folder: Path, ceiling: float | None) -> Content:
    """Codecs ``whole`` and ``half``, of which the second says 4:2:0 in its title."""

    def titled(run: RunInfo) -> RunInfo:
        infos = [
            replace(info, title="Made up (4:2:0)") if info.id == "half" else info
            for info in run.codecs
        ]
        return replace(run, codecs=tuple(infos))

    records = [*curve_records("whole", 1.0), *curve_records("half", 0.9)]
    records = [replace(record, psnr_rgb_ceiling=ceiling) for record in records]
    return collect(results_folder(folder, records, anchor="whole", change=titled))


def test_half_a_decibel_is_where_the_errors_add_up(tmp_path: Path) -> None:
    content = _content(tmp_path, 45.0)
    assert not codes_420(content, "whole") and marked(content, "half") == "half†"
    # 45 + 10·log10(1 − 10^−0.05) = 35.37 dB; the curve of `half` gains 3 dB with each doubling
    # from 0.28125 bpp at 29.25 dB: 0.28125 · 2^(6.12 / 3) = 1.16
    assert "half above 35.4 dB (ceiling 45.0 dB), from 1.16 bits per pixel on." in (
        chroma_sentence(content)
    )
    assert chroma_sentence(content) in footnote(content)


def test_tables_carry_the_mark(tmp_path: Path) -> None:
    content = _content(tmp_path, 45.0)
    write_markdown(content, tmp_path)
    write_latex(content, tmp_path)
    assert "| half† |" in (tmp_path / "table.md").read_text()
    assert r"half$^\dagger$ &" in (tmp_path / "table.tex").read_text()


@pytest.mark.parametrize(
    ("ceiling", "said"), [(60.0, "which none of its points reaches"), (None, "")]
)
def test_high_ceilings_and_native_sources(tmp_path: Path, ceiling: float | None, said: str) -> None:
    content = _content(tmp_path, ceiling)
    assert said in chroma_sentence(content)
    assert bool(chroma_sentence(content)) == bool(said)
