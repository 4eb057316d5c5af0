"""Codecs and a data set that behave, or misbehave in one known way, for tests of the engine."""

from __future__ import annotations

import json
import os
import resource
import signal
import struct
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import pytest

from bench.codecs.base import Allowed, Choice, CodecBase, Encoded, Range, Text
from bench.codecs.support.frame_progress import log_file, noted
from bench.datasets.base import DataOptions, Item
from bench.engine.measure import measure_tasks
from bench.errors import BitstreamError, Unavailable
from bench.records import Point
from bench.signals import GRAY, Layout, Signal, image

SIDE = 16
PATIENCE = 600
"""Seconds after which a test gives up on a process; reached by what hangs, never by a loaded
machine."""


class Coarse(CodecBase):
    """Drops low bits of gray pixels; ``bits`` is how many are kept."""

    parameters: ClassVar[Mapping[str, Allowed]] = {
        "bits": Range(1, 8),
        "fault": Choice(
            (
                "none",
                "crash",
                "killed",
                "hang",
                "raise",
                "shrink",
                "memory",
                "absent",
                "stateful",
                "garbage",
                "constructor",
            )
        ),
        "on": Range(0, 1000),
        "gate": Text("FILE"),
        "flag": Choice(("", "set")),
    }

    def __init__(self, card: Any, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        if self.settings.get("fault") == "constructor":
            raise RuntimeError("cannot be built")

    def check_available(self) -> None:
        if self.settings.get("fault") == "absent" or os.environ.get("FAKE_ABSENT"):
            raise Unavailable("the fake binary is missing; install fake-tools")

    def versions(self) -> Mapping[str, str]:
        return {"fake": os.environ.get("FAKE_VERSION", "1")}

    def encode(self, signal: Signal, point: Point) -> Encoded:
        (frame,) = signal.frames()
        self._misbehave(frame)
        bits = int(point.value)
        kept = frame >> (8 - bits)
        return Encoded(struct.pack("<BHH", bits, *frame.shape) + kept.tobytes(), header_bytes=5)

    def decode(self, payload: bytes) -> Signal:
        if self.settings.get("fault") == "garbage":
            return cast(Signal, object())
        if len(payload) < 5:
            raise BitstreamError("shorter than its header")
        bits, height, width = struct.unpack("<BHH", payload[:5])
        kept = np.frombuffer(payload[5:], np.uint8).reshape(height, width)
        pixels = ((kept.astype(np.uint16) * 255) // ((1 << bits) - 1)).astype(np.uint8)
        if self.settings.get("fault") == "shrink":
            pixels = pixels[1:]
        if self.settings.get("fault") == "stateful":
            pixels = pixels ^ np.uint8(os.getpid() & 1 | os.getpid() >> 1 & 1)
        return image(pixels)

    def _misbehave(self, frame: Any) -> None:
        fault = self.settings.get("fault", "none")
        if int(frame[0, 0]) != self.settings.get("on", int(frame[0, 0])):
            return
        while "gate" in self.settings and not Path(self.settings["gate"]).exists():
            time.sleep(0.01)
        if fault == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif fault == "memory":
            _exhaust_memory()
        elif fault == "hang":
            time.sleep(600)
        elif fault == "raise":
            raise ValueError("fake trouble")


def code_until(over: Path) -> None:
    """Three frames of a clip of eight, told as ffmpeg tells them, until there is a file."""
    with noted("vtm", "qp=22", "Pass", 8):
        log_file(over.parent).write_text("frame=3\nprogress=continue\n")
        while not over.exists():
            time.sleep(0.05)


def _exhaust_memory() -> None:
    """Asks for more than this process may have: 256 MiB above what it holds."""
    status = Path("/proc/self/status").read_text()
    held = int(status.partition("VmSize:")[2].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (held + (256 << 20), resource.RLIM_INFINITY))
    try:
        np.ones(512 << 20, np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


class Noise:
    """``count`` gray 16×16 pictures of noise; pixel (0, 0) is the item's number. With ``groups``
    they are of so many, in turn."""

    def __init__(self, card: Any, settings: Mapping[str, Any], options: DataOptions) -> None:
        self.count = options.limit or int(settings.get("count", 4))
        self.salt = str(settings.get("salt", ""))
        self.groups = int(settings.get("groups", 0))

    def items(self) -> Sequence[Item]:
        layout = Layout("image", GRAY, SIDE, SIDE)
        of = [f"g{i % self.groups}" if self.groups else "" for i in range(self.count)]
        return [
            Item(f"noise{i}", f"digest{i}{self.salt}", layout, group=group)
            for i, group in enumerate(of)
        ]

    def load(self, item: Item) -> Signal:
        number = int(item.name.removeprefix("noise"))
        pixels = np.random.default_rng(number).integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        pixels[0, 0] = number % 256
        return image(pixels)

    def notes(self) -> tuple[str, ...]:
        return ("made of noise",)


def write_cards(
    folder: Path,
    count: int = 4,
    codecs: str = '["coarse"]',
    salt: str = "",
    gate: tuple[int, Path] | None = None,
    groups: int = 0,
) -> Path:
    """Card folders with the codec ``coarse`` and the suite ``noise``. At the item with the number
    of ``gate`` the codec waits until the file is there: what a test does to a run in progress does
    not depend on how fast this machine is."""
    (folder / "codecs").mkdir(parents=True, exist_ok=True)
    (folder / "datasets").mkdir(exist_ok=True)
    held = f'[settings]\non = {gate[0]}\ngate = "{gate[1]}"\n' if gate else ""
    (folder / "codecs" / "coarse.toml").write_text(
        'title = "Coarse"\nadapter = "bench.fakes:Coarse"\nmedia = ["image"]\n'
        f"{held}[ladder]\nbits = [1, 2, 4, 6]\n"
    )
    (folder / "datasets" / "noise.toml").write_text(
        'title = "Noise"\nloader = "bench.fakes:Noise"\nmedia = "image"\n'
        f'[settings]\ncount = {count}\nsalt = "{salt}"\ngroups = {groups}\n'
        f'[suites.noise]\ncodecs = {codecs}\nmetrics = ["psnr_rgb"]\nanchor = "coarse"\n'
    )
    return folder


def write_codecs(content: Any, folder: Path, suite: Any) -> Any:
    """A page about a paper, as a suite's card names it."""
    from bench.report.pages import Page

    path = folder / "codecs.txt"
    path.write_text(f"{suite.id} {suite.keep} {suite.examples} {content.results.codecs}")
    return Page(path, "half of it")


def hurry_only(monkeypatch: pytest.MonkeyPatch, pool: type[Any], item: str) -> None:
    """Leaves a run's time limit to the tasks that hang, at one item: how long the others take is
    decided by this machine's load."""
    submit = pool.submit

    def submitted(self: Any, call: Any, *arguments: Any, timeout: float) -> Any:
        tasks = arguments[0] if call is measure_tasks else ()
        hangs = any("fault=hang" in task.codec and task.item == item for task in tasks)
        return submit(self, call, *arguments, timeout=timeout if hangs else PATIENCE)

    monkeypatch.setattr(pool, "submit", submitted)


def written(file: Path) -> bool:
    """Whether a file is there and holds all of a JSON text."""
    try:
        json.loads(file.read_text())
    except (FileNotFoundError, ValueError):
        return False
    return True
