"""Fixtures of all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bench_data() -> Path:
    """The folder of real data sets, $BENCH_DATA; tests that need it are skipped elsewhere."""
    folder = os.environ.get("BENCH_DATA")
    if not folder or not Path(folder).is_dir():
        pytest.skip("needs real data; set BENCH_DATA to a folder of data sets")
    return Path(folder)
