"""What is wrong with a codec's curve is named; curves as codecs have them are not accused."""

from __future__ import annotations

import pytest

from bench.doctor.ladder import curve_faults
from bench.records import Record


def record(point: int, bpp: float, psnr: float, estimated: float | None = None) -> Record:
    return Record(
        suite="s", dataset="d", item="i", codec="c", point=f"q={point}", status="done",
        width=100, height=100, frames=1, bpp=bpp, bpp_estimated=estimated,
        scores={"psnr_rgb": psnr},
    )  # fmt: skip


RISING = [record(1, 0.1, 25.0, 0.09), record(2, 0.5, 30.0, 0.49), record(3, 1.0, 33.0, 0.99)]


@pytest.mark.parametrize(
    ("records", "name", "evidence"),
    [
        ([*RISING, record(4, 1.2, 29.0)], "quality falls where rate grows", "q=4: 1.2000 bpp"),
        ([record(1, 0.1, 11.9), *RISING[1:]], "worse than one colour", "11.90 dB"),
        ([record(1, 0.5, 30.0, 0.2)], "estimated and measured rate far apart", "2000 bits"),
    ],
)
def test_each_fault_of_a_curve_is_named(records: list[Record], name: str, evidence: str) -> None:
    (found,) = curve_faults(records, floor=12.0)
    assert found.name == name and evidence in found.evidence


def test_a_rising_curve_is_not_accused() -> None:
    assert list(curve_faults(RISING, floor=12.0)) == []
