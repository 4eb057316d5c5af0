"""Tables read by columns: both readers agree, and refuse what the typed reader refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.errors import StoreError
from bench.results.columns import read_columns
from bench.results.table import FILE, read_records
from tests.unit.report import samples

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two codecs with a failure, a quoted reason of two lines and an infinite PSNR."""
    rows = samples.curve_records("b", 1.0) + samples.curve_records("a", 2.0)
    rows[3] = samples.record("b", "q=1", "item3", 1.0, 40.0, status="failed", reason='say "no",\nx')
    rows[4] = samples.record("b", "q=1", "item4", 1.0, 40.0, psnr_rgb=float("inf"), mse=0.0)
    samples.write_records(tmp_path, rows)
    return tmp_path / FILE


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_both_readers_give_what_the_typed_reader_gives(table: Path, end: bytes) -> None:
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", end))
    typed = [record for _, record in read_records(table)]
    for large in (False, True):
        found = read_columns(table, large=large)
        for name in ("codec", "point", "item", "status"):
            words = [found.words[name].at(row) for row in range(len(typed))]
            assert words == [getattr(one, name) for one in typed]
        assert found.words["reason"].at(3).startswith('say "no",')
        assert found.words["reason"].at(2) == ""
        assert list(found.words["codec"].words) == ["a", "b"]
        np.testing.assert_array_max_ulp(
            found.numbers["ssim"], np.array([one.scores["ssim"] for one in typed]), maxulp=1
        )
        assert np.isinf(found.numbers["psnr_rgb"]).nonzero()[0].tolist() == [4]
        assert np.isnan(found.numbers["vmaf"]).all()


def test_a_committed_table_is_the_same_by_both_readers() -> None:
    path = ROOT / "results" / "kodak" / FILE
    small, large = (read_columns(path, large=large) for large in (False, True))
    assert list(small.numbers) == list(large.numbers)
    for name, values in small.numbers.items():
        np.testing.assert_allclose(values, large.numbers[name], rtol=1e-12, atol=0)
    for name, words in small.words.items():
        assert words.words == large.words[name].words
        assert (words.codes == large.words[name].codes).all()


DAMAGE = {
    "cell cut off": (b",done,", b",don,", "status is 'don'"),
    "a digit of bytes": (b",1536,", b",1537,", "bpp is"),
    "digits of another script": (b",1536,", ",１536,".encode(), "not a number"),
    "an underscore": (b",1536,", b",1_536,", "not a number"),
    "nan": (b",1536,", b",nan,", "bytes is nan|is 'nan'|not a number|nan"),
    "a negative size": (b",96,64,", b",-96,64,", "width is -96"),
    "half a pixel": (b",96,64,", b",96.5,64,", "width is '96.5'"),
    "a zero byte": (b",done,", b",do\0ne,", "line"),
    "a further cell": (b",done,", b",done,,", "too many cells|not a number|status"),
    "a cell less": (b",done,96", b",done", "cut short|not a number"),
}


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_by_line(table: Path, kind: str, large: bool) -> None:
    old, new, says = DAMAGE[kind]
    content = table.read_bytes()
    at = content.index(old, len(content) // 2)
    table.write_bytes(content[:at] + new + content[at + len(old) :])
    line = content[:at].count(b"\n") + 1
    with pytest.raises(StoreError, match=says) as caught:
        read_columns(table, large=large)
    assert "line" in str(caught.value)
    assert abs(int(str(caught.value).split("line ")[1].split(":")[0].split()[0]) - line) <= 1


def test_hashes_are_equal_where_their_first_digits_are(table: Path) -> None:
    hashes = ["ab" * 32, "ab" * 8 + "f" * 48, "cd" * 32, "ab" * 7, None]
    rows = [
        samples.record("a", "q=1", str(place), 1.0, 30.0, bitstream_sha256=mark)
        for place, mark in enumerate(hashes)
    ]
    samples.write_records(table.parent, rows)
    marks = read_columns(table, digits={"bitstream_sha256": 16}).marks["bitstream_sha256"]
    assert marks[0] == marks[1] != marks[2]
    assert marks[3:].tolist() == [0, 0]
    assert 0 not in marks[:3]
