"""Files here import no torch, beside those in with_torch/: most start processes, and to fork one
of a gigabyte takes long."""

from __future__ import annotations

import sys
from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    before = "torch" in sys.modules
    report = yield
    if not before and "torch" in sys.modules and "with_torch" not in collector.nodeid:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} imports torch: it belongs in tests/system/with_torch"
    return report
