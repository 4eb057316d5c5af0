"""The mark of 4:2:0 and the rate from which on halved chroma costs quality."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.report.chroma import chroma_sentence, codes_420, marked
from bench.report.content import Content, collect
from bench.report.footnote import footnote
from bench.report.latex import write_latex
from bench.report.tables import write_markdown
from bench.results.run_info import RunInfo
from tests.unit.report.samples import curve_records, results_folder


def _content(folder: Path, ceiling: float | None) -> Content:
    """Codecs ``whole`` and ``half``, of which the second says 4:2:0 in its title."""

    def titled(run: RunInfo) -> RunInfo:
        infos = [
            replace(info, title="Made up (4:2:0)") if info.id == "half" else info
            for info in run.codecs
        ]
        return replace(run, codecs=tuple(infos))

    records = [*curve_records("whole", 1.0), *curve_records("half", 0.9)]
    # gray sources have no colour path
    channels = 3 if ceiling else 1
    records = [replace(one, psnr_rgb_ceiling=ceiling, channels=channels) for one in records]
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
def test_high_ceilings_and_gray_sources(tmp_path: Path, ceiling: float | None, said: str) -> None:
    content = _content(tmp_path, ceiling)
    assert said in chroma_sentence(content)
    assert bool(chroma_sentence(content)) == bool(said)


def test_codecs_that_convert_by_themselves_are_marked(tmp_path: Path) -> None:
    """JPEG and WebP report no ceiling; the lowest that is known stands for theirs."""

    def titled(run: RunInfo) -> RunInfo:
        words = {"half": "Made up (4:2:0)", "jpeg": "JPEG (4:2:0)", "gray": "JPEG (4:2:0)"}
        infos = [replace(info, title=words.get(info.id, "Made up")) for info in run.codecs]
        return replace(run, codecs=tuple(infos))

    records = [replace(one, psnr_rgb_ceiling=45.0) for one in curve_records("half", 0.9)]
    records += curve_records("jpeg", 1.8)
    records += [replace(one, channels=1) for one in curve_records("gray", 1.0)]
    content = collect(results_folder(tmp_path / "a", records, anchor="half", change=titled))
    assert marked(content, "jpeg") == "jpeg†"
    assert marked(content, "gray") == "gray"
    # twice the rates of `half`, on the line between points whose means are over six items
    assert (
        "jpeg above 35.4 dB (converts by itself; ceiling taken as 45.0 dB), from 2.31 bits"
    ) in chroma_sentence(content)
    alone = [one for one in records if one.codec == "jpeg"]
    content = collect(results_folder(tmp_path / "b", alone, anchor="jpeg", change=titled))
    assert "jpeg, whose ceiling is not measured" in chroma_sentence(content)


@pytest.mark.parametrize(
    ("key", "value", "halved"),
    [("chroma", 420, True), ("chroma", 444, False), ("subsampling", "4:2:0", True)],
)
def test_a_setting_outdoes_the_title(
    tmp_path: Path, key: str, value: str | int, halved: bool
) -> None:
    title = "Made up (4:4:4)" if halved else "Made up (4:2:0)"

    def varied(run: RunInfo) -> RunInfo:
        infos = [replace(info, title=title, settings={key: value}) for info in run.codecs]
        return replace(run, codecs=tuple(infos))

    records = curve_records("one", 1.0)
    content = collect(results_folder(tmp_path, records, anchor="one", change=varied))
    assert codes_420(content, "one") == halved


def test_sources_in_420_lose_nothing(tmp_path: Path) -> None:
    """Three planes, but no RGB to compare with."""
    records = [
        replace(one, scores={k: v for k, v in one.scores.items() if k != "psnr_rgb"})
        for one in curve_records("half", 1.0)
    ]

    def titled(run: RunInfo) -> RunInfo:
        infos = [replace(info, title="Made up (4:2:0)") for info in run.codecs]
        return replace(run, codecs=tuple(infos))

    content = collect(results_folder(tmp_path, records, anchor="half", change=titled))
    assert not codes_420(content, "half") and not chroma_sentence(content)
