"""The quantiser table of the CIFAR-10 paper from made-up curves."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from bench.learned.pages.lloyd_max import markdown, read_rows


def test_rows_come_from_the_curves_whatever_the_coder() -> None:
    curves = io.StringIO(
        "suite,codec,point,mse,ssim\n"
        "s,jpeg,quality=5,1,1\n"
        "s,cifar-vae,bits=3,650.25,0.9\n"
        '"s","cifar-vae:coder=zlib,quantiser=uniform",bits=3,1300.5,0.85\n'
        '"s","cifar-vae:loss=mse,quantiser=none",bits=32,65.025,0.95\n'
    )
    rows = {(row.quantiser, row.levels): row for row in read_rows(pd.read_csv(curves))}
    assert len(rows) == 9
    assert rows["lloyd-max", "8"].ssim_trained == pytest.approx((0.01, 0.9))
    assert rows["none", ""].mse_trained == pytest.approx((0.001, 0.95))
    assert rows["none", ""].ssim_trained is None
    assert rows["uniform", "8"].paper == (0.0419, 0.7933)
    text = markdown(list(rows.values()), ["n = 1017"])
    assert "| lloyd-max | 8 | 0.0315 | 0.8217 | 0.0100 | 0.9000 | – | – |" in text
    assert "trained for SSIM: SSIM +0.0500, MSE -0.0100 (-50 %)" in text
    assert text.endswith("- n = 1017\n")
