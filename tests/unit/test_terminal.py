"""Tables on a terminal: no number is ever cut, whatever the width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.commands.terminal import break_name, make_console, print_plainly, print_table, print_wide

COLUMNS = ["Codec", "BD-rate, %", "spread, %", "Items"]
ROWS = [
    ["jpeg", "+172.9 [+143.7, +206.6]", "+171.6 … +203.2", "24"],
    ["vqvae2-512:coder=pixelsnail,input=vectors,tiling=patches", "−8.5 n.s.", "−8.5 … −7.7", "24"],
]


def _printed(width: int, *, wide: bool = False) -> tuple[str, list[str]]:
    file = io.StringIO()
    console = Console(file=file, width=width)
    left = [] if wide else print_table(console, "Title", COLUMNS, ROWS)
    if wide:
        print_wide(console, "Title", COLUMNS, ROWS)
    return file.getvalue(), left


@pytest.mark.parametrize("width", [38, 40, 60, 80, 100, 1000])
def test_numbers_stand_whole_and_what_is_left_out_is_said(width: int) -> None:
    text, left = _printed(width)
    shown = [name for name in COLUMNS if name not in left]
    assert shown[:2] == COLUMNS[:2]
    for row in ROWS:
        for name, cell in zip(COLUMNS[1:], row[1:], strict=True):
            assert (cell in text) == (name in shown), (name, cell)
    assert "…" not in text.replace(" … ", "")
    assert max(map(len, text.splitlines())) <= width


def test_a_name_is_broken_for_the_first_two_columns_only() -> None:
    assert _printed(1000)[1] == [] and ROWS[1][0] in _printed(1000)[0]
    text, left = _printed(80)
    assert left == ["Items"] and "vqvae2-512:" in text and ROWS[1][0] not in text


def test_a_wide_table_goes_on_below() -> None:
    text, _ = _printed(40, wide=True)
    for row in ROWS:
        assert all(cell in text for cell in row[1:])
    assert text.count("Codec") == 3 and text.count("Title") == 1


def test_names_are_broken_where_a_reader_would() -> None:
    assert break_name("net:coder=zlib,size=3", 15) == "net:coder=zlib,\nsize=3"
    assert break_name("short", 15) == "short"
    assert break_name("x" * 20, 15).split("\n") == ["x" * 15, "x" * 5]


def test_a_pipe_has_the_room_that_it_needs_or_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert not make_console().is_terminal
    assert make_console().width > 1000
    monkeypatch.setenv("COLUMNS", "70")
    assert make_console().width == 70


def test_a_dumb_terminal_is_as_wide_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    assert make_console().is_dumb_terminal
    assert make_console().width == 40


def test_what_an_encoding_lacks_is_stood_in_for_one_for_one() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "ascii", newline="")
    with pytest.raises(UnicodeEncodeError):
        stream.write("−8.5 … −7.7 × λ │")
    print_plainly(stream, None)
    stream.write("−8.5 … −7.7 × λ │")
    stream.flush()
    assert buffer.getvalue() == b"-8.5 . -7.7 x ? |"


def test_the_locale_c_is_no_obstacle() -> None:
    buffer = io.BytesIO()
    stream = io.TextIOWrapper(buffer, "ascii", errors="surrogateescape", newline="")
    print_plainly(stream)
    stream.write("webp† \udcff")
    stream.flush()
    assert buffer.getvalue() == b"webp+ ?"


@pytest.mark.parametrize("character", ["\x1b[31m", "\x07", "\r", "\x9b31m", "\u202e", "\udcff"])
def test_what_acts_on_a_terminal_is_written_out(
    character: str, capsys: pytest.CaptureFixture[str]
) -> None:
    console = make_console()
    print_table(console, character, ["codec", "what"], [[f"a{character}", f"b{character}"]])
    console.print(f"c{character}", markup=False)
    assert character not in capsys.readouterr().out
