"""What all tests share: real data where this machine has them, examples that do not vary, and that
nothing else is shared: no test leaves anything to the next one, in whatever order they run."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import bench
from tests.leftovers import TORCH_SEED, Watch

# bench.fakes, in this process and in all that it starts
_STARTUP = str(Path(__file__).with_name("startup"))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (_STARTUP, os.environ.get("PYTHONPATH"))))
bench.__path__.append(str(Path(__file__).parent))

# the same examples in every run, and no verdict by how loaded the machine is
settings.register_profile(
    "bench", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("bench")

_LONGEST = (
    *("conformance", "cluster", "vault", "baselines", "added_metrics", "foreign", "docs", "page"),
    *("faults", "filters", "compressai_zoo", "audit", "vqvae2", "packaging", "recomputation"),
    *("compressai_model", "learned_image_tasks", "hyperprior", "keyint", "run", "channels"),
    *("no_waiting", "shipped_tasks", "cli", "rates", "learned"),
)
"""Files whose tests take longest. They come first: at the end no worker waits for another."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    place = {f"test_{name}": number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The order of the tests can be had again, also where ``-q`` prints no head."""
    seed = config.getoption("randomly_seed", None)
    if seed is not None and config.getoption("randomly_reorganize"):
        terminalreporter.write_line(f"tests in the random order of --randomly-seed={seed}")


@pytest.fixture(autouse=True)
def _nothing_survives(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that leaves shared state behind it fails; the next one finds it as it was."""
    watch = Watch()
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(TORCH_SEED)
    yield
    if "bench.codecs.foreign.codec" in sys.modules:
        sys.modules["bench.codecs.foreign.codec"].close_all()
    left = watch.end(replaced="monkeypatch" in request.fixturenames)
    assert not left, f"left behind by this test: {', '.join(left)}"


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
