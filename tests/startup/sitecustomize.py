"""Lets every process of a test import ``bench.fakes``: codecs that misbehave in the process of the
engine, as a library behind an adapter of ours may, and not in one for code that is not ours."""

import os
import sys
from pathlib import Path

import bench

bench.__path__.append(str(Path(__file__).resolve().parents[1]))


def _kill_group(group: int, number: int) -> None:
    """As workers of a pool end, who take their group with them: what they ran is measured, too."""
    if group == os.getpgrp() and (measured := sys.modules["coverage"].Coverage.current()):
        measured.save()
    _killpg(group, number)


if "coverage" in sys.modules:
    _killpg, os.killpg = os.killpg, _kill_group
