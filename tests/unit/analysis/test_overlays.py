"""Published numbers in every form that is read, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.overlays import UNKNOWN_CONVENTION, ExtraCurve, load_overlay, load_overlays
from bench.analysis.qualities import quality
from bench.errors import DataError, UsageError

PER_ITEM = """lmbda\tseq_name\tpsnr_db\trate_bpp
0.02\ta\t30\t0.2
0.02\tb\t32\t0.4
0.01\tb\t36\t1.0
0.01\ta\t34\t0.8
"""


def written(folder: Path, name: str, text: str) -> str:
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def only(text: str) -> ExtraCurve:
    (curve,) = load_overlay(text, "kodak")
    return curve


def test_kodak_comes_with_the_project_with_conventions() -> None:
    curves = {curve.name: curve for curve in load_overlay("published", "kodak")}
    assert len(curves) == 20
    assert sum(len(curve.rate) for curve in curves.values()) == 181 + 5
    webp = curves["webp"]
    # DESIGN.md section 6: q5 .2344/28.328
    assert (webp.labels[0], round(webp.rate[0], 4)) == ("5", 0.2344)
    assert webp.values["psnr_rgb"][0] == pytest.approx(28.328, abs=5e-4)
    assert "unrounded" in curves["mbt2018"].convention
    assert "YCbCr" in curves["vtm"].convention
    assert all(curve.convention != UNKNOWN_CONVENTION for curve in curves.values())
    assert all((curve.dataset, curve.count) == ("kodak", 24) for curve in curves.values())
    assert "CompressAI" in webp.source


def test_compressai_json_of_both_spellings(tmp_path: Path) -> None:
    for psnr, ssim in (("psnr-rgb", "ms-ssim-rgb"), ("psnr", "ms-ssim")):
        table = {
            "name": "model",
            "description": "Inference",
            "results": {"bpp": [0.5, 0.1], psnr: [33.0, 27.0], ssim: [0.99, 0.9]},
        }
        curve = only(written(tmp_path, "model.json", json.dumps(table)))
        assert curve.rate == (0.1, 0.5)
        assert curve.values["psnr_rgb"] == (27.0, 33.0)
        assert curve.quality(quality("ms_ssim_db")) == pytest.approx((10.0, 20.0))
        assert (curve.convention, curve.count) == ("Inference", None)


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"results": {"bpp": [0.1]}}', '{"results": {"bpp": ["x"], "psnr": [1]}}',
     '{"results": {"bpp": [true], "psnr": [30]}}', '{"results": {"bpp": ["1_0"], "psnr": [30]}}',
     f'{{"results": {{"bpp": [{10**400}], "psnr": [30]}}}}',
     '{"results": {"bpp": [0.1, 0.2], "psnr": [30]}}', '{"results": {"bpp": [-1], "psnr": [30]}}'],
)  # fmt: skip
def test_other_json_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError, match=r"wrong\.json"):
        load_overlay(written(tmp_path, "wrong.json", text), "kodak")


def test_a_plain_table_needs_no_quality_and_no_ms_ssim(tmp_path: Path) -> None:
    curve = only(written(tmp_path, "mine.csv", "name,bpp,psnr_rgb\nnet,0.4,33\nnet,0.2,30\n"))
    assert (curve.name, curve.rate, curve.labels) == ("net", (0.2, 0.4), ("1", "2"))
    assert curve.quality(quality("ms_ssim_db")) is None
    assert curve.quality(quality("psnr_rgb")) == (30.0, 33.0)
    assert (curve.convention, curve.count, curve.table) == (UNKNOWN_CONVENTION, None, None)


def test_a_metric_that_a_row_lacks_is_left_out(tmp_path: Path) -> None:
    text = "codec,quality,bpp,psnr_rgb,ms_ssim\nmine,1,0.2,30,\nmine,2,0.4,33,0.9\n"
    assert set(only(written(tmp_path, "mine.csv", text)).values) == {"psnr_rgb"}


def test_a_table_of_single_items_with_columns_named_on_the_command_line(tmp_path: Path) -> None:
    path = written(tmp_path, "cool.tsv", PER_ITEM)
    curve = only(f"{path}:item=seq_name,bpp=rate_bpp,psnr_rgb=psnr_db")
    assert (curve.name, curve.labels, curve.count) == ("cool", ("0.02", "0.01"), 2)
    assert curve.rate == pytest.approx((0.3, 0.9))
    assert curve.values["psnr_rgb"] == (31.0, 35.0)
    assert curve.table is not None
    assert curve.table.items == ("a", "b")
    np.testing.assert_allclose(curve.table.rate, [[0.2, 0.8], [0.4, 1.0]])
    np.testing.assert_allclose(curve.table.values["psnr_rgb"], [[30, 34], [32, 36]])


def test_the_same_by_a_toml(tmp_path: Path) -> None:
    written(tmp_path, "raw.tsv", PER_ITEM)
    toml = """file = "raw.tsv"
name = "theirs"
convention = "trained for each picture"
[columns]
item = "seq_name"
bpp = "rate_bpp"
psnr_rgb = "psnr_db"
"""
    curve = only(written(tmp_path, "theirs.toml", toml))
    assert (curve.name, curve.convention) == ("theirs", "trained for each picture")
    assert curve.rate == pytest.approx((0.3, 0.9))


def test_semicolons_and_a_byte_order_mark(tmp_path: Path) -> None:
    curve = only(written(tmp_path, "excel.csv", "\ufeffname;bpp;psnr\nnet;0.2;30\n"))
    assert (curve.name, curve.values["psnr_rgb"]) == ("net", (30.0,))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "column 'bpp' is missing"),
        ("codec,quality\na,1\n", "column 'bpp' is missing"),
        ("codec,quality,bpp\na,1,1\n", "column 'psnr_rgb' is missing"),
        ("codec,bpp,psnr_rgb\n", "holds no curve"),
        ("codec,bpp,psnr_rgb\na,zero,3\n", "line 2: bpp is 'zero'"),
        ("codec,bpp,psnr_rgb\na,0,3\n", "a rate is 0, not bits a pixel"),
        (f"codec,bpp,psnr_rgb\na,{math.nan},3\n", "a rate is nan"),
        ("codec,bpp,psnr_rgb\na,39321.6,3\n", "at most the 48 of raw samples"),
        ("codec,bpp,psnr_rgb\na,1_0,3\n", "line 2: bpp is '1_0', not a number"),
        ("codec,bpp,psnr_rgb\na,1,3\na,2,\n", "psnr_rgb is empty in line 3"),
        ("codec,bpp,psnr_rgb\na,1,inf\n", "psnr_rgb is not finite"),
        ("item,bpp,psnr_rgb\na,1,3\n", "column 'point' is missing"),
        ("codec,bpp,psnr_rgb\na,1,5,30\n", "line 2: more than 3 cells"),
        ("codec,bpp,bpp,psnr_rgb\na,1,2,30\n", "column 'bpp' is there twice"),
        ("codec,bpp,ssim\na,1,14\n", "a value of ssim is 14, above 1"),
        ("item,q,bpp,psnr_rgb\na,1,1,3\na,1,1,3\n", "line 3: broken has a at 1 twice"),
        ("item,q,bpp,psnr_rgb\na,1,1,3\nb,2,1,3\n", "no a at 2"),
    ],
)
def test_broken_tables_are_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load_overlays([written(tmp_path, "broken.csv", text)], "kodak")


@pytest.mark.parametrize(
    ("columns", "words"),
    [("bpp=rates", "did you mean rate?"), ("bbp=rate", "no role 'bbp'; did you mean bpp?")],
)
def test_columns_that_are_not_there_are_named(tmp_path: Path, columns: str, words: str) -> None:
    path = written(tmp_path, "mine.csv", "rate,psnr\n1,30\n")
    with pytest.raises(UsageError, match=words.replace("?", r"\?")):
        load_overlay(f"{path}:{columns}", "kodak")


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('fiel = "raw.tsv"', "did you mean file"),
        ('file = "nowhere.tsv"', "no file"),
        ("items = true\nname = 3", "name is 3, not str"),
        ("name =", "cannot be read as TOML"),
    ],
)
def test_a_broken_toml_is_refused(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises((DataError, UsageError), match=words):
        load_overlay(written(tmp_path, "theirs.toml", toml), "kodak")


def test_of_two_with_one_name_the_table_of_items_stays(tmp_path: Path) -> None:
    means = written(tmp_path, "means.csv", "name,bpp,psnr_rgb\ncool,0.5,30\n")
    items = f"{written(tmp_path, 'cool.tsv', PER_ITEM)}:item=seq_name,bpp=rate_bpp,psnr_rgb=psnr_db"
    for order in ((means, items), (items, means)):
        (curve,) = load_overlays(order, "kodak")
        assert curve.table is not None
    with pytest.raises(UsageError, match="two published curves are called 'cool'"):
        load_overlays((means, means), "kodak")


def _dcvc(rate: float, yuv: bool) -> dict[str, float]:
    """One sequence at one rate, with the keys of DCVC's generate_log_json."""
    shared = {"i_frame_num": 1, "p_frame_num": 95, "ave_all_frame_bpp": rate}
    values = {"ave_all_frame_psnr": 30 + rate, "ave_all_frame_msssim": 0.9}
    of_yuv = {"ave_all_frame_psnr_y": 29 + rate, "ave_all_frame_msssim_y": 0.95}
    return {**shared, **values, **(of_yuv if yuv else {})}


def test_dcvc_json_is_a_curve_for_each_data_set_with_every_sequence(tmp_path: Path) -> None:
    table = {
        "HEVC_D": {
            "BasketballPass": {"000": _dcvc(0.2, True), "001": _dcvc(0.1, True)},
            "RaceHorses": {"000": _dcvc(0.4, True), "001": _dcvc(0.3, True)},
        },
        "RGB": {"one": {"000": _dcvc(0.5, False)}},
        "untested": {},
    }
    first, second = load_overlay(written(tmp_path, "dcvc.json", json.dumps(table)), "")
    assert (first.name, second.name) == ("dcvc HEVC_D", "dcvc RGB")
    assert first.rate == pytest.approx((0.2, 0.3)) and first.labels == ("001", "000")
    assert first.values["psnr_yuv"] == pytest.approx((30.2, 30.3))
    assert first.values["psnr_y"] == pytest.approx((29.2, 29.3))
    assert first.values["ms_ssim"] == pytest.approx((0.95, 0.95))
    assert first.table is not None and first.table.items == ("BasketballPass", "RaceHorses")
    assert "means over 96 frames" in first.convention and "1 intra" in first.convention
    assert second.values["psnr_rgb"] == pytest.approx((30.5,)) and "psnr_yuv" not in second.values
