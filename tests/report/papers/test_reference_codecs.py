"""The page that sets reference codecs beside their published curves, on made-up records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.bd import Curve
from bench.analysis.overlays import load_overlay
from bench.provenance import RunInfo
from bench.records import Record
from bench.report.content import Content, collect
from bench.report.papers.reference_codecs import (
    complete,
    distance,
    without_conversion,
    write,
)
from tests.report.samples import record, results_folder, suite

HM = next(curve for curve in load_overlay("published", "kodak") if curve.name == "hm")
POINTS = tuple(zip(HM.labels, HM.rate, HM.values["psnr_rgb"], strict=True))[1:6]


def _records(codec: str, factor: float, gain: float, **fields: object) -> list[Record]:
    """The published curve of HM at ``factor`` times its rate and ``gain`` dB above, on four
    pictures that differ and have it as their mean."""
    return [
        record(
            codec, f"qp={label}", f"item{item}", factor * rate * (1 + 0.1 * side),
            psnr + gain + 0.5 * side, **fields,
        )
        for label, rate, psnr in POINTS
        for item, side in enumerate((-1, 1, -2, 2))
    ]  # fmt: skip


def _content(folder: Path, records: Sequence[Record], dataset: str = "kodak") -> Content:
    def on_kodak(run: RunInfo) -> RunInfo:
        return replace(run, dataset=dataset)

    return collect(results_folder(folder, records, anchor=None, change=on_kodak))


def test_distance_is_the_ratio_of_rates(tmp_path: Path) -> None:
    content = _content(tmp_path, _records("hm", 1.1, 0.0))
    found = distance(complete(content.grids["hm"]), HM)
    assert found.rate == pytest.approx(10.0, abs=0.2)
    assert found.low < found.rate < found.high
    assert found.least <= found.rate <= found.most


def test_a_codec_that_was_not_measured_is_named(tmp_path: Path) -> None:
    content = _content(tmp_path, _records("hm", 1.0, 0.0))
    path = write(content, tmp_path, suite()).path
    assert path is not None
    page = path.read_text()
    assert "- vtm: not measured in these results yet" in page
    assert "- bpg: not measured in these results yet" in page
    assert "- hm: not measured" not in page
    assert "Not measured yet: x265 beside hm, vvenc beside vtm-420, svtav1 beside" in page
    assert "| hm | qp=37 | 4 | 0.2667 | 0.2667 | 30.447 | 30.447 |" in page


def test_sei_and_conversion_explain_their_share(tmp_path: Path) -> None:
    """Records that hold the published curve after 64 bytes were stripped from every picture and the
    error of a conversion of 46 dB was added."""
    pixels, ceiling = 96 * 64, 46.0
    records = []
    for one in _records("hm", 1.0, 0.0, discarded_bytes=64, psnr_rgb_ceiling=ceiling):
        assert one.bpp is not None and one.bytes is not None
        error = 10 ** (-one.scores["psnr_rgb"] / 10) + 10 ** (-ceiling / 10)
        scores = {**one.scores, "psnr_rgb": float(-10 * np.log10(error))}
        bpp = one.bpp - 8 * 64 / pixels
        records.append(replace(one, bpp=bpp, bytes=one.bytes - 64, scores=scores))
    content = _content(tmp_path, records)
    path = write(content, tmp_path, suite()).path
    assert path is not None
    (line,) = [line for line in path.read_text().splitlines() if line.startswith("- hm: ")]
    numbers = [
        float(word.replace("−", "-"))
        for word in line.split()
        if word.replace("−", "-").lstrip("+-").replace(".", "", 1).isdigit() and "." in word
    ]
    assert numbers[0] < -10
    assert numbers[2] == pytest.approx(0.0, abs=0.15)


def test_taking_out_the_conversion_is_the_inverse_of_adding_it(tmp_path: Path) -> None:
    content = _content(tmp_path, _records("hm", 1.0, 0.0))
    grid = content.grids["hm"]
    error = 10 ** (-grid.values["psnr_rgb"] / 10) + 10**-4.6
    worse = replace(grid, values={**grid.values, "psnr_rgb": -10 * np.log10(error)})
    back = without_conversion(worse, np.full(error.shape, 46.0))
    assert back.values["psnr_rgb"] == pytest.approx(grid.values["psnr_rgb"])


def test_no_page_without_reference_codecs_or_published_curves(tmp_path: Path) -> None:
    content = _content(tmp_path / "a", _records("x265", 1.0, 0.0))
    page = write(content, tmp_path, suite())
    assert page.path is None and not page.missing
    content = _content(tmp_path / "b", _records("hm", 1.0, 0.0), dataset="made")
    page = write(content, tmp_path, suite())
    assert page.path is None and "no published curves" in page.missing


def test_cool_chic_is_among_the_published_curves() -> None:
    """Means of its table a picture: 0.6718 bpp and 32.98 dB of kodim14 are one of 24."""
    (curve,) = [c for c in load_overlay("published", "kodak") if c.name == "cool-chic-5.0"]
    assert len(curve.rate) == 5
    by_rate = Curve.of(curve.rate, curve.values["psnr_rgb"])
    assert by_rate.monotonic
