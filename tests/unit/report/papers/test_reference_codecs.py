"""The page that sets reference codecs beside their published curves, on made-up records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.analysis.bd import Curve
from bench.analysis.overlays import load_overlay
from bench.learned.pages.reference_codecs import write
from bench.learned.pages.reference_distance import complete, distance, rates_at_equal_quality
from bench.records import Record
from bench.report.content import Content, collect
from bench.results.run_info import RunInfo
from tests.unit.report.samples import record, results_folder, suite

CURVES = {curve.name: curve for curve in load_overlay("published", "kodak")}
HM = CURVES["hm"]
LABELS = ("42", "37", "32", "27", "22")


def _records(
    codec: str, factor: float, gain: float, labels: Sequence[str] = LABELS, **fields: object
) -> list[Record]:
    """The published curve of the codec's family, else of HM, at ``factor`` times its rate and
    ``gain`` dB above, on four pictures that differ and have it as their mean."""
    curve = CURVES.get(codec.partition(":")[0], HM)
    points = zip(curve.labels, curve.rate, curve.values["psnr_rgb"], strict=True)
    return [
        record(
            codec, f"qp={label}", f"item{item}", factor * rate * (1 + 0.1 * side),
            psnr + gain + 0.5 * side, **fields,
        )
        for label, rate, psnr in points if label in labels
        for item, side in enumerate((-1, 1, -2, 2))
    ]  # fmt: skip


def _page(folder: Path, records: Sequence[Record]) -> str:
    path = write(_content(folder / "run", records), folder, suite()).path
    assert path is not None
    return path.read_text()


def _row(page: str, start: str) -> list[str]:
    """The cells after the first of the first table row that starts with a word."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.split("|")[2:-1]]


def _content(folder: Path, records: Sequence[Record], dataset: str = "kodak") -> Content:
    def on_kodak(run: RunInfo) -> RunInfo:
        return replace(run, dataset=dataset)

    return collect(results_folder(folder, records, anchor=None, change=on_kodak))


def test_distance_is_the_ratio_of_rates(tmp_path: Path) -> None:
    content = _content(tmp_path, _records("hm", 1.1, 0.0))
    found = distance(complete(content.grids["hm"], 4), HM)
    assert found.rate == pytest.approx(10.0, abs=0.2)
    assert found.points == pytest.approx([10.0] * 5, abs=0.05)
    assert found.low < found.rate < found.high
    assert found.least <= found.rate <= found.most


def test_rates_beyond_the_published_curve_are_none() -> None:
    published = Curve.of([1.0, 2.0, 4.0], [30.0, 33.0, 36.0])
    own = Curve.of([0.5, 1.1, 3.0, 4.4, 8.0], [29.0, 29.9999, 33.0, 36.0, 39.0])
    found = rates_at_equal_quality(own, published)
    assert found == pytest.approx([np.nan, 10.0, 50.0, 10.0, np.nan], nan_ok=True, abs=1e-2)
    assert np.isnan(rates_at_equal_quality(own, Curve.of([1.0], [30.0]))).all()


def test_a_codec_that_was_not_measured_is_named(tmp_path: Path) -> None:
    page = _page(tmp_path, _records("hm", 1.0, 0.0))
    assert "- vtm: not measured on all pictures yet" in page
    assert "- bpg: not measured on all pictures yet" in page
    assert "- hm: not measured" not in page
    assert "Not measured yet: x265 beside hm, vvenc beside vtm-420, svtav1 beside" in page
    assert "| hm | qp=37 | 4 | 0.2667 | 0.2667 | 30.447 | 30.447 | +0.0 |" in page


def test_one_point_is_compared_at_equal_psnr(tmp_path: Path) -> None:
    """And VTM's saving over HM is found again, whatever both are away from their curves."""
    records = [*_records("vtm", 1.05, 0.0, ["37"]), *_records("hm", 1.05, 0.0)]
    page = _page(tmp_path, records)
    assert _row(page, "vtm")[1:] == ["1", "+5.0", "–", "–", "–"]
    # 1.05 times HM's curve at HM's rates is 1.05 times it everywhere
    assert _row(page, "qp=37") == ["−23.4", "−23.4"]
    assert "over 1 point. So the published curve may stand for it" in page


def test_points_of_some_pictures_are_not_compared(tmp_path: Path) -> None:
    """The published mean is over all; that of the three cheapest pictures is another."""
    short = [one for one in _records("vtm", 1.0, 0.0, ["32"]) if one.item != "item3"]
    page = _page(tmp_path, [*_records("vtm", 1.0, 0.0, ["37"]), *short])
    assert _row(page, "vtm")[1:3] == ["1", "+0.0"]
    (line,) = [line for line in page.splitlines() if line.startswith("| vtm | qp=32 | 3 |")]
    assert line.endswith("| – |")
    nothing = _page(tmp_path / "none", [*short, *_records("hm", 1.0, 0.0)])
    assert "- vtm: not measured on all pictures yet" in nothing
    assert "## VTM against HM" not in nothing


def test_sei_and_planes_explain_their_share(tmp_path: Path) -> None:
    """Planes as CompressAI makes them give the published curve, but for 64 bytes of every picture
    that were stripped."""
    records = _records("hm", 0.9, 0.0, discarded_bytes=0)
    for one in _records(
        "hm:conversion=compressai", 1.0, 0.0, ["37", "22"], discarded_bytes=64
    ):  # fmt: skip
        assert one.bpp is not None and one.bytes is not None
        stripped = 8 * 64 / (96 * 64)
        records.append(replace(one, bpp=one.bpp - stripped, bytes=one.bytes - 64))
    page = _page(tmp_path, records)
    assert _row(page, "as measured") == ["−10.0"]
    assert _row(page, "SEI counted") == ["−10.0"]
    (measured,) = _row(page, "planes cut to whole numbers, 8 bits out (measured)")
    assert measured.endswith("at qp=37, qp=22 (−10.0 as measured there)")
    assert float(measured.split()[0].replace("−", "-")) < -10
    assert _row(page, "both") == ["+0.0 at qp=37, qp=22"]
    sizes = page.split("Size at the same point")[1]
    assert _row(sizes, "hm") == ["−10.00", "−10.00"]
    assert _row(sizes, "hm:conversion=compressai")[1] == "+0.00"


def test_pooling_is_another_average(tmp_path: Path) -> None:
    """Pictures of ±0.5 and ±1 dB: the mean of their errors is 0.072 dB below the mean PSNR, about
    1.4 % of rate."""
    page = _page(tmp_path, _records("hm", 1.0, 0.0))
    assert _row(page, "as measured") == ["+0.0"]
    (pooled,) = _row(page, "PSNR of the pooled squared error")
    assert float(pooled) == pytest.approx(1.4, abs=0.4)


def test_a_fast_encoder_stands_beside_the_next_best_reference(tmp_path: Path) -> None:
    fast = _records("vvenc", 1.2, 0.0)  # of HM's curve
    page = _page(tmp_path, [*fast, *_records("vtm", 1.0, 0.0, ["37"])])
    at_equal = 100 * (1.2 / (1 - 0.234) - 1)
    (line,) = [line for line in page.splitlines() if line.startswith("Rate of the fast")]
    assert "H.266, vvenc against vtm" in line
    said = line.split("+")[1].split(" %")[0]
    assert float(said) == pytest.approx(at_equal, abs=0.3)
    assert line.endswith("% at qp=37.")
    assert "vvenc beside vtm-420" in page.splitlines()[-1]


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
