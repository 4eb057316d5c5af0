"""A data set whose loader is not ours: read in a process of its own, and nowhere else."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.foreign.loader import open_dataset
from bench.datasets.base import DataOptions, Loader, holds, places_of
from bench.errors import CardError, DataError
from bench.processes import isolation
from bench.signals import Signal

LOADER = """
import os, sys
from pathlib import Path
import numpy as np
from bench.datasets.base import Item
from bench.signals import FORMATS, Layout, Signal

Signal.sha256 = lambda self: "0" * 64


class Ramps:
    def __init__(self, card, settings, options):
        self.root, self.fault = options.root, settings.get("fault")
        if self.fault == "leave":
            sys.exit(3)

    def items(self):
        layout = Layout("video", FORMATS["rgb24"], 4, 2, 3)
        found = [Item("one", "d1", layout, group="g"), Item("bad", "d2", None, "is damaged")]
        return found + found[:1] * (self.fault == "twice")

    def notes(self):
        return ("made of ramps",)

    def places(self):
        return (self.root,)

    def load(self, item):
        if self.fault == "crash":
            os._exit(5)
        start = int((self.root / "start.txt").read_text())
        frames = [np.full((2, 4, 3), start + i, np.uint8) for i in range(3)]
        if self.fault == "short":
            del frames[1:]
        return Signal(self.items()[0].layout, lambda: iter(frames))
"""


def opened(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str = "", name: str = ""
) -> Loader:
    (folder / "data").mkdir(exist_ok=True)
    (folder / "data" / "start.txt").write_text("7")
    (folder / "datasets").mkdir(exist_ok=True)
    (folder / "ramps.py").write_text(LOADER)
    (folder / "datasets" / "ramps.toml").write_text(
        f'title = "R"\nloader = "{name or "ramps:Ramps"}"\nmedia = "video"\n'
    )
    monkeypatch.chdir(folder)
    card = load_registry([folder]).dataset("ramps")
    return open_dataset(card, {"fault": fault}, DataOptions(folder / "data"))


def test_items_and_frames_come_from_a_process_that_changes_nothing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Signal.sha256
    loader = opened(tmp_path, monkeypatch)
    one, bad = loader.items()
    assert (one.name, one.group, bad.problem) == ("one", "g", "is damaged")
    assert loader.notes() == ("made of ramps",) and places_of(loader) == (tmp_path / "data",)
    isolation.hide(isolation.HiddenPaths(originals=(tmp_path / "data",)))
    try:
        clip = pickle.loads(pickle.dumps(loader)).load(one)
        for _ in range(2):  # all frames in order, as often as they are asked for
            assert [int(frame.max()) for frame in clip.frames()] == [7, 8, 9]
    finally:
        isolation.hide(isolation.HiddenPaths())
    assert holds(loader, one)
    assert np.shape(next(clip.frames())) == (2, 4, 3) and one.layout == clip.layout
    assert Signal.sha256 is before and "ramps" not in sys.modules
    (tmp_path / "data" / "start.txt").unlink()
    with pytest.raises(DataError, match=r"FileNotFoundError.*start\.txt' at ramps\.py:"):
        opened_again = pickle.loads(pickle.dumps(loader))
        opened_again.load(bad)


def test_an_edit_of_a_loader_is_another_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened(tmp_path, monkeypatch).items()
    assert [one.digest for one in opened(tmp_path, monkeypatch).items()] == [
        one.digest for one in first
    ]
    monkeypatch.setitem(globals(), "LOADER", LOADER.replace("start + i", "start - i"))
    edited = opened(tmp_path, monkeypatch, fault="none").items()
    assert not {one.digest for one in first} & {one.digest for one in edited}


@pytest.mark.parametrize(
    ("fault", "name", "error", "says"),
    [
        ("leave", "", DataError, "ramps.toml: SystemExit: called sys.exit(3) at ramps.py:15"),
        ("crash", "", DataError, "its process was ended by exit(5)"),
        ("short", "", DataError, "one: ends before frame 1"),
        ("twice", "", DataError, "ramps.toml: item one is there twice"),
        ("", "ramps:Slopes", CardError, "has no attribute 'Slopes'"),
        ("", "a.b:C", CardError, "No module named 'a'"),
    ],
)
def test_what_a_loader_does_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    name: str,
    error: type[Exception],
    says: str,
) -> None:
    with pytest.raises(error) as caught:
        loader = opened(tmp_path, monkeypatch, fault, name)
        list(loader.load(loader.items()[0]).frames())
    assert says in str(caught.value) and "\n" not in str(caught.value)
