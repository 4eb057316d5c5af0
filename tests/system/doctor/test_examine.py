"""Each known mistake, planted in a codec, is named by doctor; correct codecs are not accused."""

from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.codecs.build import select
from bench.doctor.examine import Examination, examine

CARD = (
    'title = "Mistaken{title}"\nadapter = "bench.system.doctor.mistaken:Mistaken"\n'
    'media = ["image", "video"]\n'
)


def examined(folder: Path, mistake: str, title: str = "") -> Examination:
    (folder / "mistaken.toml").write_text(CARD.format(title=title))
    return examine(select(load_registry([folder]), f"mistaken:mistake={mistake}"))


@pytest.mark.parametrize(
    ("mistake", "name", "evidence"),
    [
        ("truncate-rgb", "truncation instead of rounding", "RGB values are cut off"),
        pytest.param(
            "truncate-yuv",
            "truncation instead of rounding",
            "Y'CbCr values are cut off",
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            "truncate-both",
            "truncation instead of rounding",
            "both conversions cut off",
            marks=pytest.mark.nightly,
        ),
        ("bt601", "BT.601 for BT.709", "flat colours are off by"),
        pytest.param(
            "bt709", "BT.709 for BT.601", "flat colours are off by", marks=pytest.mark.nightly
        ),
        ("limited", "limited for full range", "flat colours are off by"),
        ("full", "full for limited range", "flat colours are off by"),
        ("bgr", "red and blue exchanged", "flat colours are off by"),
        ("chroma", "chroma subsampling unnoticed", "stripes of one pixel keep 0 %"),
        ("float", "float output", "decode gives float32 in"),
        ("sei", "container or SEI bytes counted", "x265 at byte 1 of"),
        pytest.param(
            "container",
            "container or SEI bytes counted",
            "a Matroska container at byte 0",
            marks=pytest.mark.nightly,
        ),
        ("shift", "frame shift", "look like source frames 1, 1, 2, 3, 4, 5"),
        pytest.param(
            "swap",
            "frame shift",
            "look like source frames 2, 1, 4, 3, 6, 5",
            marks=pytest.mark.nightly,
        ),
        ("drop", "frames lost or doubled", "6 frames came back as 5"),
        ("padding", "padding counted as pixels", "101×67 came back as 112×80"),
        pytest.param("crop", "pixels lost", "101×67 came back as 96×64", marks=pytest.mark.nightly),
        ("odd-crash", "cannot code a pattern", "odd size 101×67: odd height"),
        pytest.param("state", "cannot code a pattern", "AttributeError", marks=pytest.mark.nightly),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, mistake: str, name: str, evidence: str) -> None:
    found = {fault.name: fault.evidence for fault in examined(tmp_path, mistake).faults}
    assert evidence in found[name]
    assert len(found) == 1


def test_a_codec_without_a_mistake_is_not_accused(tmp_path: Path) -> None:
    assert examined(tmp_path, "none").faults == ()


def test_subsampling_that_the_title_says_is_no_mistake(tmp_path: Path) -> None:
    assert examined(tmp_path, "chroma", title=", 4:2:0").faults == ()


@pytest.mark.parametrize("codec", ["none", "png", "jpeg", "webp", "jpeg:quality=40+60+80"])
def test_our_own_codecs_pass(codec: str) -> None:
    result = examine(select(load_registry(), codec))
    assert result.faults == ()
    assert result.skipped is None
    assert result.passed


def test_the_best_point_is_examined_whichever_way_the_ladder_runs() -> None:
    assert examine(select(load_registry(), "jpeg:quality=90+50+10")).point == "quality=90"
    assert examine(select(load_registry(), "jpeg:quality=10+50+90")).point == "quality=90"
