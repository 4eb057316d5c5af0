"""The unit layer loads no torch and starts no process: all of it takes less than a minute."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from multiprocessing.process import BaseProcess
from typing import Any
from unittest.mock import patch

import pytest

_STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system")
_OF_LIBRARIES = ("lscpu",)
"""Programs that an import asks about the machine: numpy.testing, whether it has SVE."""

_seen: list[str] | None = None
"""What the test that runs has loaded or started; None between tests."""


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _seen is None:
        return
    if event == "import" and arguments[0] == "torch":
        _seen.append("imports torch")
    elif event in _STARTS and not (arguments and arguments[0] in _OF_LIBRARIES):
        _seen.append(f"starts a process ({event} {arguments})"[:200])


# an audit hook cannot be removed again; between tests, and in other layers, it hears nothing
sys.addaudithook(_hear)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A file that imports torch is an error, and named."""
    before = "torch" in sys.modules
    report = yield
    if not before and "torch" in sys.modules:
        report.outcome = "failed"
        report.longrepr = f"{collector.nodeid} imports torch: it belongs in tests/system"
    return report


@pytest.fixture(autouse=True)
def _neither_torch_nor_a_process() -> Iterator[None]:
    global _seen

    def start(process: BaseProcess) -> None:
        raise AssertionError(f"a unit test starts {process}: it belongs in tests/system")

    _seen = heard = []
    with patch.object(BaseProcess, "start", start):
        yield
    _seen = None
    assert not heard, f"a unit test {' and '.join(heard)}: it belongs in tests/system"
