"""Plotly's script is packed once for a version and kept in the user's cache."""

from __future__ import annotations

import base64
import gzip
from importlib.resources import files
from pathlib import Path

import pytest

from bench.report.html import page


def test_a_kept_script_is_used_and_one_cut_short_is_packed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "cache_folder", lambda: tmp_path / "cache")
    first = page.packed_plotly()
    script = files("plotly").joinpath("package_data", "plotly.min.js").read_bytes()
    assert gzip.decompress(base64.b64decode(first)) == script
    (kept,) = (tmp_path / "cache").iterdir()
    stamp = kept.stat().st_mtime_ns
    assert page.packed_plotly() == first
    assert kept.stat().st_mtime_ns == stamp
    kept.write_bytes(kept.read_bytes()[:-1])
    assert page.packed_plotly() == first
    assert gzip.decompress(kept.read_bytes()) == script


def test_a_cache_that_cannot_be_written_costs_time_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setattr(page, "cache_folder", lambda: tmp_path / "cache")
    assert page.packed_plotly()
