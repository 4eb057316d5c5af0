"""Terminals of 40 columns, without colour, and without UTF-8; one, two or all of these."""

from __future__ import annotations

import fcntl
import itertools
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from tests.robustness.trial import Ended, Finding, Room, call, environment, pictures

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_COLOUR = re.compile(r"\x1b\[(?!0?m)[0-9;]*m")


def terminals(room: Room) -> Finding:
    """Every command that prints tables or progress on each kind of terminal."""
    source, out = pictures(room.folder / "pictures", 5, side=32), room.folder / "out"
    run = ("run", "--input", source, "--codecs", "png,jpeg", "--out", out, "--jobs", 1)
    faults = call(*run).faults("the first run", 0)
    commands = (
        (*run, "--fresh", "--no-report"), ("report", out), ("bd", out, "--anchor", "png"),
        ("check", out, "--against", out), ("list", "codecs"), ("try", "png", source / "p00001.png"),
    )  # fmt: skip
    times = 0
    kinds = [*itertools.product((40,), (True, False), (True, False)), (100, False, False)]
    tried = 0
    # the poorest first
    for _, (columns, plain, ascii_only) in zip(room.rounds(len(kinds)), kinds, strict=False):
        tried += 1
        changes = {"TERM": "dumb" if plain else "xterm-256color", "COLUMNS": "", "LINES": ""}
        changes |= {"NO_COLOR": "1"} if plain else {}
        if ascii_only:
            changes |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
            changes |= {"PYTHONIOENCODING": "ascii"}
        for words in commands:
            ended = _on_terminal(columns, changes, room.folder, *words)
            what = f"{words[0]} on {columns} columns, {'no' if plain else 'with'} colour"
            what += ", ASCII" if ascii_only else ""
            faults += [*ended.faults(what, 0, 1), *_looks(what, ended.out, columns, plain)]
            times += 1
    note = f"on {tried} of {len(kinds)} kinds of terminals"
    return Finding(times, "commands", tuple(faults), note)


def _looks(what: str, said: str, columns: int, plain: bool) -> list[str]:
    """Faults of what a terminal was sent: colours that were not wanted, and tables that are wider
    than it. Long words of sentences may be; a terminal wraps them."""
    found = [f"{what}: colours"] if plain and _COLOUR.search(said) else []
    shown = _ESCAPE.sub("", said).replace("\r", "\n").splitlines()
    ruled = [line for line in shown if set(line.strip()) & set("│┃━─") and len(line) > columns]
    return found + ([f"{what}: a table of {len(ruled[0])} columns"] if ruled else [])


def _on_terminal(columns: int, changes: dict[str, str], cwd: Path, *words: object) -> Ended:
    """A command whose output and errors are a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {key: value for key, value in environment(**changes).items() if value}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench", *map(str, words)], stdin=subprocess.DEVNULL,
        stdout=theirs, stderr=theirs, env=env, cwd=cwd,
    )  # fmt: skip
    os.close(theirs)
    said = bytearray()
    while True:
        try:
            piece = os.read(ours, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return Ended(process.wait(), said.decode(errors="backslashreplace"), "")
