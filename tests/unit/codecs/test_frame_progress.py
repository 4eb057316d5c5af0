"""How far the coding of a clip is, from what the programs log, and what the terminal says of it."""

from __future__ import annotations

import io
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from bench.codecs.support import frame_progress
from bench.codecs.support.frame_progress import Coding, codings, noted
from bench.commands import progress

FFMPEG = "frame={n}\nfps=0.25\nstream_0_0_q=22.0\nprogress=continue\n"
# a line of HM 16.7's log and one of VTM 9.3's
PICTURES = {
    "hm": "POC    {n} TId: 0 ( B-SLICE, nQP 40 QP 40 )        456 bits [Y 32.1 dB]\n",
    "vtm": "POC    {n} LId:  0 TId: 0 ( TRAIL, B-SLICE, QP 38 )       1232 bits [Y 31.4 dB]\n",
}


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def _since(folder: Path, seconds: float) -> None:
    """Lets a note be older than it is."""
    (note,) = folder.glob("progress-*.json")
    facts = json.loads(note.read_text())
    note.write_text(json.dumps({**facts, "since": time.time() - seconds}))


def test_what_ffmpeg_told_last_counts(scratch: Path) -> None:
    with noted("x265", "qp=22", "clip", 32):
        option, log = frame_progress.log_of_ffmpeg()
        assert option == "-progress"
        assert codings(scratch)[0].done == 0
        Path(log).write_text("".join(FFMPEG.format(n=n) for n in (0, 3, 8)))
        _since(scratch, 60)
        (one,) = codings(scratch)
        assert (one.codec, one.point, one.item, one.frames, one.done) == (
            "x265", "qp=22", "clip", 32, 8,
        )  # fmt: skip
        # 8 frames in 60 s, 24 to come
        assert one.seconds_left == pytest.approx(180, rel=0.05)
    assert codings(scratch) == [] and list(scratch.iterdir()) == []


@pytest.mark.parametrize("program", PICTURES)
def test_a_line_of_a_reference_encoder_is_a_frame(scratch: Path, program: str) -> None:
    with noted(program, "qp=37", "clip", 5):
        log = frame_progress.log_file(scratch / "elsewhere")
        lines = "".join(PICTURES[program].format(n=n) for n in (0, 4, 2))
        log.write_text(f"Input Bit depth : 8\n{lines}")
        assert codings(scratch)[0].done == 3


def test_what_a_foreign_process_says_is_passed_on(scratch: Path) -> None:
    own, trap = scratch / "frames.log", scratch / "trap.log"
    with noted("net", "q=1", "clip", 8):
        frame_progress.relay(own)
        own.write_text("frame=3\n")
        frame_progress.relay(own)
        assert codings(scratch)[0].done == 3
        trap.symlink_to(own)
        own.write_text("frame=5\n")
        frame_progress.relay(trap)
        own.write_bytes(b"\x00 rubbish")
        frame_progress.relay(own)
        assert codings(scratch)[0].done == 3
    frame_progress.relay(own)
    assert codings(scratch) == []


def test_nobody_who_asks_changes_no_command(scratch: Path) -> None:
    assert frame_progress.log_of_ffmpeg() == ()
    assert frame_progress.log_file(scratch / "own") == scratch / "own" / "log.txt"


def test_a_note_that_is_being_written_is_passed_over(scratch: Path) -> None:
    (scratch / "progress-1.json").write_text('{"codec": "x2')
    assert codings(scratch) == []


CODING = Coding("vtm", "qp=22", "Pass", 32, 12, 200.0)


@pytest.mark.parametrize(
    ("coding", "said"),
    [
        (CODING, "vtm qp=22 on Pass: frame 12 of 32 after 3 min 20 s, 5 min 33 s left"),
        (replace(CODING, done=0), "vtm qp=22 on Pass: frame 0 of 32 after 3 min 20 s"),
        (replace(CODING, done=32), "all 32 frames coded, decoding after 3 min 20 s"),
    ],
)
def test_lines_say_it_at_most_once_a_minute(
    coding: Coding, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    file = io.StringIO()
    lines = progress.LineProgress(Console(file=file, width=200))
    for clock[0] in (1010.0, 1061.0, 1100.0, 1122.0):
        lines.working([coding, replace(coding, codec="x264", seconds=1.0)])
    found = file.getvalue().splitlines()
    assert len(found) == 2 and found[0].endswith(said)


def test_a_terminal_shows_a_bar_for_each_long_clip() -> None:
    file = io.StringIO()
    bars = progress.BarProgress(Console(file=file, width=120, force_terminal=True))
    bars.begin(4, 0)
    bars.working([CODING, replace(CODING, codec="x264", seconds=1.0)])
    bars.close()
    shown = file.getvalue()
    assert "12/32" in shown and "5 min 33 s left" in shown and "x264" not in shown
