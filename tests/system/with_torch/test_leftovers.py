"""The guard over all tests: what one leaves to the next is named and put back."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import torch

from bench.cards import plugins
from bench.codecs.support.template import first_line
from bench.metrics import registry
from bench.metrics.basics import PsnrY
from bench.processes import isolation
from tests.leftovers import Watch, forgotten
from tests.system.engine.test_added_metrics import PLUGIN


def test_what_is_left_is_named_and_put_back(tmp_path: Path) -> None:
    folder, handler, threads = Path.cwd(), signal.getsignal(signal.SIGUSR1), torch.get_num_threads()
    hidden = isolation._hidden
    watch = Watch()
    os.environ["LEFT_BEHIND"] = "1"
    os.environ["OMP_NUM_THREADS"] = "17"  # as a run sets it: nothing to complain about
    os.chdir(tmp_path)
    sys.path.append(str(tmp_path))
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    torch.set_num_threads(threads + 1)
    registry._table["left"] = PsnrY
    isolation.hide(isolation.HiddenPaths((tmp_path,)))
    left = watch.end(replaced=False)
    assert sorted(left) == [
        "attributes: bench.metrics.registry:_table",
        "attributes: bench.processes.isolation:_hidden",
        "environment: LEFT_BEHIND",
        "process: sys.path",
        "process: working folder",
        "signal handlers: SIGUSR1",
    ]
    assert "LEFT_BEHIND" not in os.environ and os.environ.get("OMP_NUM_THREADS") != "17"
    assert Path.cwd() == folder and str(tmp_path) not in sys.path
    assert signal.getsignal(signal.SIGUSR1) is handler
    assert torch.get_num_threads() == threads
    assert "left" not in registry.metrics() and isolation._hidden is hidden
    assert Watch().end(replaced=False) == []


def test_a_plug_in_is_forgotten_with_its_metrics(tmp_path: Path) -> None:
    """It was one that stayed, with the metric ``largest``, which made other tests fail."""
    (tmp_path / "mine.py").write_text(PLUGIN)
    for _ in range(2):
        with forgotten():
            plugins.load(tmp_path / "mine.py")
            assert "largest" in registry.metrics()
        assert "largest" not in registry.metrics()
        assert "mine" not in sys.modules and plugins.loaded() == ()


def test_answers_that_were_given_while_something_was_replaced_are_not_kept() -> None:
    for replaced, kept in ((False, 1), (True, 0)):
        first_line.cache_clear()
        watch = Watch()
        assert first_line(("echo", "replaced")) == "replaced"
        watch.end(replaced=replaced)
        assert first_line.cache_info().currsize == kept
