"""Importers of published curves."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bench.analysis.qualities import quality
from bench.errors import DataError
from bench.report.extras import UNKNOWN_CONVENTION, load_overlay, read_compressai, read_csv


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
    assert "CompressAI" in webp.source


def test_compressai_json_of_both_spellings(tmp_path: Path) -> None:
    for psnr, ssim in (("psnr-rgb", "ms-ssim-rgb"), ("psnr", "ms-ssim")):
        path = tmp_path / "model.json"
        table = {
            "name": "model",
            "description": "Inference",
            "results": {"bpp": [0.5, 0.1], psnr: [33.0, 27.0], ssim: [0.99, 0.9]},
        }
        path.write_text(json.dumps(table))
        curve = read_compressai(path)
        assert curve.rate == (0.1, 0.5)
        assert curve.values["psnr_rgb"] == (27.0, 33.0)
        assert curve.quality(quality("ms_ssim_db")) == pytest.approx((10.0, 20.0))
        assert curve.convention == "Inference"


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[1]", '{"results": {"bpp": [0.1]}}', '{"results": {"bpp": ["x"], "psnr": [1]}}',
     '{"results": {"bpp": [0.1, 0.2], "psnr": [30]}}', '{"results": {"bpp": [-1], "psnr": [30]}}'],
)  # fmt: skip
def test_other_json_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"wrong\.json"):
        read_compressai(path)


def test_plain_csv_with_one_metric_missing(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("codec,quality,bpp,psnr_rgb,ms_ssim\nmine,1,0.2,30,\nmine,2,0.4,33,\n")
    (curve,) = read_csv(path)
    assert curve.quality(quality("ms_ssim_db")) is None
    assert curve.quality(quality("psnr_rgb")) == (30.0, 33.0)
    assert curve.convention == UNKNOWN_CONVENTION


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "column 'codec' is missing"),
        ("codec,quality,bpp\n", "holds no curve"),
        ("codec,quality,bpp,psnr_rgb\na,1,zero,3\n", "codec a"),
        ("codec,quality,bpp,psnr_rgb\na,1,0,3\n", "not a positive"),
        (f"codec,quality,bpp,psnr_rgb\na,1,{math.nan},3\n", "not a positive"),
    ],
)
def test_broken_csv_is_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=words):
        read_csv(path)
