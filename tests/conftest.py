"""What all tests share: real data where this machine has them, and examples that do not vary."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# the same examples in every run, and no verdict by how loaded the machine is
settings.register_profile(
    "bench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("bench")


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of ``$BENCH_DATA``; tests that need real data skip without it."""
    variable = os.environ.get("BENCH_DATA")
    if not variable or not Path(variable).is_dir():
        pytest.skip("needs real data: set BENCH_DATA to the folder that holds kodak/, mnist/, …")
    return Path(variable)


@pytest.fixture(scope="session")
def kodak_folder(bench_data: Path) -> Path:
    """The 24 Kodak images."""
    folder = bench_data / "kodak"
    if len(list(folder.glob("kodim*.png"))) != 24:
        pytest.skip(f"needs the 24 Kodak images in {folder}")
    return folder


@pytest.fixture
def as_at_a_terminal() -> Iterator[None]:
    """Signals that stop a program are heard: under nohup and in background jobs some are not."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_DFL) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
