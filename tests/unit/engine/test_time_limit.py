"""The time limit of a task: longer clips have more, unless the user says how long."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.engine.run import RunOptions


@pytest.mark.parametrize(
    ("frames", "usual", "seconds"),
    [(1, 32, 600), (32, 32, 600), (96, 32, 1800), (96, None, 600), (600, 96, 3750)],
)
def test_the_limit_grows_with_the_frames(frames: int, usual: int | None, seconds: float) -> None:
    options = RunOptions(Path(), 1, timeout=600, timeout_frames=usual)
    assert options.limit(frames) == seconds


def test_a_suite_says_of_how_many_frames_its_limit_is() -> None:
    registry = load_registry()
    assert registry.suite("uvg").timeout_frames == 96
    assert registry.suite("vimeo90k-video").timeout_frames == 32
