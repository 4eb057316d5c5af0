from dataclasses import replace
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.report.card_facts import card_notes
from bench.report.content import collect
from bench.report.footnote import footnote
from bench.report.latex import latex, write_latex
from bench.report.tables import signed, write_markdown
from bench.results.run_info import RunInfo, Verdict
from tests.unit.report.samples import curve_records, results_folder


@pytest.mark.parametrize(
    ("value", "text"), [(12.34, "+12.3"), (-4.46, "−4.5"), (float("nan"), "–"), (2.3e99, "> 9999")]
)
def test_a_delta_is_short_whatever_a_fit_gave(value: float, text: str) -> None:
    assert signed(value) == text


def test_the_footnote_says_how_far_the_proofs_were_isolated(tmp_path: Path) -> None:
    def judged(run: RunInfo) -> RunInfo:
        kinds = [("q=1", True, "isolated"), ("q=2", False, "isolated"), ("q=3", True, "")]
        verdicts = [
            Verdict("fresh_decode", "good", point, "item0", passed, isolation=kind)
            for point, passed, kind in kinds
        ]
        return replace(run, verdicts=tuple(verdicts))

    folder = results_folder(tmp_path, curve_records("good", 1.0), change=judged)
    said = " ".join(footnote(collect(folder)))
    assert "1 of 2 streams gave the same pixels in a fresh process (isolated)." in said
    assert "1 of 1 streams" in said and "(how far it was isolated is not recorded)" in said
    # q=4 and q=5 have no verdict, as where a run was killed before its proofs
    assert "Points that no fresh process has decoded (the same run again does): good 2." in said


def test_notes_of_data_and_suite_stand_below_both_tables(tmp_path: Path) -> None:
    def noted(run: RunInfo) -> RunInfo:
        data = ("40 clips, generated with ρ = 0.9; not the official ones",)
        return replace(run, dataset_notes=data, notes=("one production 50 % of the time.",))

    folder = results_folder(tmp_path, curve_records("good", 1.0), change=noted)
    content = collect(folder)
    write_markdown(content, folder)
    write_latex(content, folder)
    page, tex = ((folder / name).read_text() for name in ("table.md", "table_notes.tex"))
    assert "\n- 40 clips, generated with ρ = 0.9; not the official ones.\n" in page
    assert "\n- One production 50 % of the time.\n" in page
    assert "\n40 clips, generated with $\\rho$ = 0.9; not the official ones.\\par\n" in tex
    assert "\nOne production 50 \\% of the time.\\par\n" in tex


def test_a_table_says_what_a_card_warns_of_and_whose_settings_it_has(tmp_path: Path) -> None:
    names = ("good", "qcae-rd", "x264-medium", "x265-medium:preset=slow")
    records = [row for name in names for row in curve_records(name, 1.0)]
    said = footnote(collect(results_folder(tmp_path, records)))
    (caution,) = (one for one in said if one.startswith("qcae-rd: "))
    assert "how its data are generated" in caution
    (whose,) = (one for one in said if one.startswith("x264-medium: "))
    assert "defaults of ffmpeg's libx264" in whose
    assert not any(one.startswith("x265-medium: ") for one in said)


def test_the_footnote_names_codecs_of_whose_frames_nothing_is_known(tmp_path: Path) -> None:
    """As results are of versions that stored no frames."""
    records = [*curve_records("good", 1.0), *curve_records("old", 1.1)]
    clips = results_folder(tmp_path, records, change=lambda run: replace(run, media="video"))

    def said() -> list[str]:
        return [one for one in footnote(collect(clips)) if one.startswith("frames.csv has nothing")]

    assert len(said()) == 1 and "nothing: the results" in said()[0]
    head = "codec,point,item,frame,type,bytes,psnr_rgb\n"
    (clips / "frames.csv").write_text(f"{head}good,q=1,item0,0,I,90,33\n")
    assert len(said()) == 1 and "nothing of old: " in said()[0]
    (clips / "frames.csv").write_text(f"{head}good,q=1,item0,0,I,9,3\nold,q=1,item0,0,I,9,3\n")
    assert said() == []


def test_latex_reads_every_letter_of_what_cards_say() -> None:
    """pdfLaTeX knows Latin letters as they are, Greek ones and signs as commands only."""
    registry = load_registry()
    said = [note for suite in registry.suites().values() for note in (suite.title, *suite.notes)]
    said += [note for name in registry.codecs for note in card_notes([name])]
    assert {c for c in latex(" ".join(said)) if ord(c) > 0x17F} <= set("‘’“”")


def test_the_footnote_introduces_each_codec_by_its_title(tmp_path: Path) -> None:
    said = " ".join(footnote(collect(results_folder(tmp_path, curve_records("good", 1.0)))))
    assert "good: Title of good (preset=veryslow, colour=4:4:4, lib 1.0)" in said


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("yuv420p10le", "good: AVC (x264, slow, tune=psnr) (preset=slow, lib 1.0)"),
        ("rgb24", "good: AVC (x264, slow, tune=psnr, 4:4:4, 8 bits) (preset=slow, chroma=444, "),
    ],
)
def test_of_yuv_no_title_names_the_chroma_of_rgb(kind: str, said: str, tmp_path: Path) -> None:
    def titled(run: RunInfo) -> RunInfo:
        title, settings = (
            "AVC (x264, slow, tune=psnr, 4:4:4, 8 bits)", {"preset": "slow", "chroma": 444}
        )  # fmt: skip
        return replace(run, codecs=(replace(run.codecs[0], title=title, settings=settings),))

    records = [replace(row, format=kind) for row in curve_records("good", 1.0)]
    assert said in " ".join(footnote(collect(results_folder(tmp_path, records, change=titled))))
