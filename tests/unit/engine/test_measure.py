"""What a worker does around the calls that it times: warm-up, clock and the colour ceiling."""

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from bench.cards import CodecCard, load_registry
from bench.codecs.base import CodecBase, Encoded
from bench.datasets.base import DataOptions
from bench.engine import worker_cache
from bench.engine.measure import Worker
from bench.engine.work import WorkSpec
from bench.errors import CodecError
from bench.records import Point, Record, Task
from bench.signals import Signal, image
from tests.fakes import Noise, write_cards

WARM_UP, ENCODE, DECODE = 1000.0, 3.0, 5.0


class Watched(CodecBase):
    """Codes gray pictures as they are, on a clock of its own that only its calls move. Its colour
    path is off by one level on the first item, by two on the second and so on."""

    now = 0.0

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        super().__init__(card, device=device)
        self.calls: list[str] = []

    def _work(self, call: str, seconds: float) -> None:
        Watched.now += seconds if self.calls else WARM_UP
        self.calls.append(call)

    def warm_up(self, signal: Signal, point: Point) -> None:
        self._work("warm_up", 0.0)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        self._work("encode", ENCODE)
        return Encoded(next(signal.frames()).tobytes())

    def decode(self, payload: bytes) -> Signal:
        self._work("decode", DECODE)
        return image(np.frombuffer(payload, np.uint8).reshape(16, 16))

    def colour_path(self, signal: Signal) -> Signal:
        (frame,) = signal.frames()
        off = 1 + int(frame[0, 0])
        return image(np.where(frame < 128, frame + off, frame - off).astype(np.uint8))

    def estimate(self, signal: Signal, point: Point) -> float | None:
        if int(next(signal.frames())[0, 0]) == 2:
            raise CodecError("coarse: forward fails")
        return None


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Worker:
    monkeypatch.setattr(time, "perf_counter", lambda: Watched.now)
    monkeypatch.setattr(worker_cache, "build_codec", Watched)
    loader = Noise(None, {}, DataOptions())
    items = {item.name: item for item in loader.items()}
    card = load_registry([write_cards(tmp_path)]).codec("coarse")
    cards: Mapping[str, CodecCard] = {"one": card, "two": card}
    return Worker(WorkSpec("s", "d", loader, items, cards, ("psnr_rgb",)))


def _measured(worker: Worker, codec: str, item: int) -> Record:
    task = Task(codec, Point("bits", 8), f"noise{item}", "fingerprint")
    record = worker.measure(task).record
    assert record.status == "done", record.reason
    return record


def test_each_codec_is_warmed_up_once_before_anything_is_timed(worker: Worker) -> None:
    for codec in ("one", "two"):
        records = [_measured(worker, codec, item) for item in (0, 1)]
        times = {(record.encode_seconds, record.decode_seconds) for record in records}
        assert times == {(ENCODE, DECODE)}
        watched = worker.cache.codec(codec)
        assert isinstance(watched, Watched)
        assert watched.calls == ["warm_up", "encode", "decode", "encode", "decode"]


def test_the_colour_ceiling_is_each_items_own(worker: Worker) -> None:
    found = [_measured(worker, "one", item).psnr_rgb_ceiling for item in (0, 1, 1, 2, 0)]
    # 20·log10(255 / n) for n levels
    assert found == pytest.approx([48.1308, 42.1102, 42.1102, 38.5884, 48.1308], abs=1e-4)


def test_an_estimate_that_fails_empties_its_own_cell(worker: Worker) -> None:
    record = _measured(worker, "one", 2)
    assert record.bpp_estimated is None
    assert record.remarks["bpp_estimated"] == "coarse: forward fails"
