"""Cards whose adapters are no codecs are refused, in the processes that import them."""

from pathlib import Path

import pytest
from PIL import Image

from bench.cards import load_registry
from bench.cli import main
from bench.codecs.build import select
from bench.errors import CardError
from tests.unit.test_cards import GOOD, write


def test_an_adapter_that_does_not_exist_is_named(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    with pytest.raises(CardError, match=r"'a\.b:C' cannot be imported"):
        select(load_registry([tmp_path]), "bad:q=1")


NO_CODECS = {
    "os:system": "adapter 'os:system' is a builtin_function_or_method, not a class",
    "fractions:Fraction": "adapter 'fractions:Fraction' has no encode, decode, parameters",
    "broken:X": "'broken:X' cannot be imported: ZeroDivisionError: division by zero",
    "leaving:X": "'leaving:X' cannot be imported: SystemExit: 3",
    "untyped:X": "adapter 'untyped:X': parameters is a list; write a mapping of names",
}


@pytest.mark.parametrize("adapter", NO_CODECS)
def test_what_is_no_codec_is_one_line_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, adapter: str
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
    assert main([*words, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and said.startswith(f"bench: {tmp_path.name}/bad.toml: ")
    assert NO_CODECS[adapter] in said
