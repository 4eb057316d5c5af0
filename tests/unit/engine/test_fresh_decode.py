"""Verdicts on decoding again: in a fresh process and with another number of threads."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench.cards import CodecCard
from bench.engine import fresh_decode
from bench.engine.elsewhere import Elsewhere
from bench.records import Point, Task
from bench.signals import Signal, image, vectors

CARD: CodecCard = None  # type: ignore[assignment]


class _Learned:
    """Decodes to one signal and, with other threads, to another."""

    def __init__(self, here: Signal, elsewhere: Signal) -> None:
        self.here, self.elsewhere = here, elsewhere

    def decode(self, payload: bytes) -> Signal:
        return self.here

    def decode_elsewhere(self, payload: bytes) -> Signal:
        return self.elsewhere


def plain(pixel: int) -> Signal:
    return image(np.full((2, 2), pixel, np.uint8))


def payload(
    codec: str, point: str, decoded: Signal, seconds: float = 0.0
) -> fresh_decode.DecodedPayload:
    return fresh_decode.DecodedPayload(codec, point, "item", b"payload", decoded.sha256(), seconds)


@pytest.mark.parametrize(("size", "files"), [(1 << 20, 0), ((1 << 20) + 1, 1)])
def test_a_large_payload_waits_in_a_file(tmp_path: Path, size: int, files: int) -> None:
    whole = replace(payload("x", "mode=only", plain(7)), payload=bytes(size))
    assert whole.laid_down(None) is whole
    sent = whole.laid_down(tmp_path)
    assert len(sent.payload) == size * (not files) and len(list(tmp_path.iterdir())) == files
    assert sent.taken_up() == whole and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("pixel", "elsewhere", "passed", "says"),
    [
        (7, 7, True, ""),
        (7, 8, True, "rounds 4 of 4 samples the other way"),
        (7, 9, False, "number of threads decodes other pixels"),
        (8, 8, False, "fresh process"),
    ],
)
def test_verdicts(
    monkeypatch: pytest.MonkeyPatch, pixel: int, elsewhere: int, passed: bool, says: str
) -> None:
    codec = _Learned(plain(pixel), plain(elsewhere))
    monkeypatch.setattr(fresh_decode, "build_codec", lambda *_, **__: codec)
    (found,) = fresh_decode.decode_again(CARD, "cpu", [payload("x", "mode=only", plain(7))])
    assert found.passed == passed
    assert says in found.detail and bool(says) == bool(found.detail)


@pytest.mark.parametrize(
    ("pixel", "error", "passed", "says"),
    [
        (100, "", True, ""),
        (101, "", True, "another instruction set rounds 4 of 4 samples the other way"),
        # 20 log10(255 / 2) = 42.11 dB, 20 log10(255 / 3) = 38.59 dB
        (102, "", True, "another instruction set decodes samples that differ by up to 2, 42.1 dB"),
        (103, "", False, "another instruction set decodes other pixels"),
        (100, "CodecError: no", True, "another instruction set refuses it: CodecError: no"),
    ],
)
def test_verdicts_on_another_instruction_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, pixel: int, error: str, passed: bool, says: str
) -> None:
    codec = _Learned(plain(100), plain(100))
    monkeypatch.setattr(fresh_decode, "build_codec", lambda *_, **__: codec)
    np.save(tmp_path / "0.npy", next(iter(plain(pixel).frames())))
    other = Elsewhere(error=error) if error else Elsewhere(frames=tmp_path / "0.npy")
    coded = payload("x", "mode=only", plain(100))
    (found,) = fresh_decode.decode_again(CARD, "cpu", [coded], (), [other])
    assert (found.passed, found.detail) == (passed, says)


def test_what_other_threads_do_is_not_laid_on_the_instruction_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    codec = _Learned(plain(7), plain(9))
    monkeypatch.setattr(fresh_decode, "build_codec", lambda *_, **__: codec)
    np.save(tmp_path / "0.npy", next(iter(plain(9).frames())))
    coded = payload("x", "mode=only", plain(7))
    (found,) = fresh_decode.decode_again(
        CARD, "cpu", [coded], (), [Elsewhere(frames=tmp_path / "0.npy")]
    )
    assert found.detail == "another number of threads decodes other pixels"


@pytest.mark.parametrize(("difference", "passed"), [(1e-6, True), (1e-2, False)])
def test_real_samples_may_differ_by_rounding_and_by_no_more(
    monkeypatch: pytest.MonkeyPatch, difference: float, passed: bool
) -> None:
    here, elsewhere = vectors(np.zeros((3, 4))), vectors(np.full((3, 4), difference))
    monkeypatch.setattr(fresh_decode, "build_codec", lambda *_, **__: _Learned(here, elsewhere))
    (found,) = fresh_decode.decode_again(CARD, "cpu", [payload("x", "mode=only", here)])
    assert found.passed == passed


class _Pool:
    """Runs nothing; remembers what was asked of a fresh process."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def submit_fresh(
        self,
        call: object,
        card: object,
        device: str,
        sent: list[fresh_decode.DecodedPayload],
        *_: object,
        timeout: float,
    ) -> Future[list[fresh_decode.Finding]]:
        self.asked.append([f"{one.codec} {one.point} {timeout:g} s" for one in sent])
        future: Future[list[fresh_decode.Finding]] = Future()
        future.set_exception(TimeoutError("too slow"))
        return future


def test_idle_workers_make_room_for_what_is_worth_a_process() -> None:
    """Clips that take half a second or more share no process, pictures wait for the last."""
    pool = _Pool()
    waiting = fresh_decode.FreshDecodes(pool, {"a": CARD}, "cpu", 10)  # type: ignore[arg-type]
    tasks = [Task("a", Point("q", q), "item", "") for q in range(5)]
    waiting.expect(tasks)
    waiting.arrived(tasks[:1], [payload("a", "q=0", plain(0), 0.01)])
    waiting.start(2)
    assert pool.asked == []
    waiting.arrived(tasks[1:4], [payload("a", f"q={q}", plain(q), q / 2) for q in (1, 2, 3)])
    waiting.start(0)
    assert pool.asked == [], "no worker is idle"
    waiting.start(2)
    assert pool.asked == [["a q=0 20 s", "a q=1 20 s"], ["a q=2 10 s"]]
    waiting.start(2)
    assert len(pool.asked) == 2, "both are at work"
    waiting.judge(next(iter(waiting.running)))
    waiting.arrived(tasks[4:], [])
    waiting.start(2)
    assert pool.asked[2:] == [["a q=3 15 s"]], "ten times what it took before"


def test_the_payloads_of_a_codec_are_checked_together_once_the_last_is_in() -> None:
    pool = _Pool()
    waiting = fresh_decode.FreshDecodes(pool, {"a": CARD, "b": CARD}, "cpu", 10)  # type: ignore[arg-type]
    tasks = [Task(codec, Point("q", q), "item", "") for codec in "ab" for q in (1, 2)]
    waiting.expect(tasks)
    waiting.arrived(tasks[:1], [payload("a", "q=1", plain(1))])
    waiting.start(0)
    assert pool.asked == []
    waiting.arrived(tasks[1:3], [payload("a", "q=2", plain(2))])
    waiting.start(0)
    assert pool.asked == [["a q=1 20 s", "a q=2 20 s"]]
    waiting.arrived(tasks[3:], [])
    waiting.start(0)
    assert len(pool.asked) == 1, "of b no payload came"
    (future,) = waiting.running
    verdicts = waiting.judge(future)
    assert [(verdict.point, verdict.passed) for verdict in verdicts] == [
        ("q=1", False),
        ("q=2", False),
    ]
    assert "too slow" in verdicts[0].detail and not waiting.running


@pytest.mark.parametrize(
    ("pixel", "passed", "says"),
    [
        (7, None, ""),
        (8, True, "rounds 4 of 4 samples the other way"),
        (9, False, "decodes it to other pixels; nothing but the payload may count"),
        (-1, False, "cannot decode it: KeyError"),
    ],
)
def test_what_hangs_on_earlier_payloads(pixel: int, passed: bool | None, says: str) -> None:
    class Fresh:
        def decode_afresh(self, payload: bytes) -> Signal:
            return {7: plain(7), 8: plain(8), 9: plain(9)}[pixel]

    task = Task("x", Point("q", 1), "item", "")
    found = fresh_decode.judge_afresh(Fresh(), "isolated", task, b"payload", plain(7))
    assert (None if found is None else found.passed) == passed
    assert found is None or says in found.detail
