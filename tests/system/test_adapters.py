"""Adapters that are not there, or are no codecs."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from bench.cli import main

GOOD = 'title = "T"\nadapter = "a.b:C"\nmedia = ["image"]\n'


def write(folder: Path, text: str) -> None:
    (folder / "bad.toml").write_text(text)


NO_CODECS = {
    "os:system": "adapter 'os:system' is a builtin_function_or_method, not a class",
    "fractions:Fraction": "adapter 'fractions:Fraction' has no encode, decode, parameters",
    "a.b:C": "No module named 'a'",
    "broken:X": "ZeroDivisionError: division by zero at broken.py:1",
    "leaving:X": "SystemExit: called sys.exit(3) at leaving.py:1",
    "untyped:X": "adapter 'untyped:X': parameters is a list; write a mapping of names",
}


@pytest.mark.parametrize("adapter", NO_CODECS)
def test_what_is_no_codec_is_its_own_failed_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapter: str
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    (tmp_path / "leaving.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "untyped.py").write_text(
        "from bench.codecs.base import CodecBase\nclass X(CodecBase):\n    parameters = ['q']\n"
    )
    write(tmp_path, GOOD.replace("a.b:C", adapter))
    Image.new("L", (8, 8)).save(tmp_path / "p.png")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["run", "--input", str(tmp_path / "p.png"), "--codecs", "bad", "--cards", str(tmp_path)]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    with (tmp_path / "out" / "records.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert row["status"] == "failed" and NO_CODECS[adapter] in row["reason"]
