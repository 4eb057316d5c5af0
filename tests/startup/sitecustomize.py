"""Lets every process of a test import ``bench.fakes``: codecs that misbehave in the process of the
engine, as a library behind an adapter of ours may, and not in one for code that is not ours."""

import contextlib
import os
import sys
from pathlib import Path

import bench

bench.__path__.append(str(Path(__file__).resolve().parents[1]))


def _kill_group(group: int, number: int) -> None:
    """As workers of a pool end, who take their group with them: what they ran is measured, too."""
    if group == os.getpgrp() and (measured := Coverage.current()):
        measured.save()
    _killpg(group, number)


def _save(measured: "Coverage") -> None:
    """A process in isolation may not write into the folder of what is measured."""
    with contextlib.suppress(Exception):
        _saved(measured)


if "coverage" in sys.modules:
    from coverage import Coverage

    _killpg, os.killpg = os.killpg, _kill_group
    _saved, Coverage.save = Coverage.save, _save
