"""Decodes payloads again in a fresh process, which never saw them encoded, and compares the pixels.

Owns which payloads wait, what the process finds of them and the verdicts; measures nothing and
stores nothing.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import astuple, dataclass, replace
from itertools import accumulate
from pathlib import Path

from pebble import ProcessExpired

from bench.cards import CodecCard, plugins
from bench.cards.plugins import Plugin
from bench.codecs.base import Codec, DecodesAfresh
from bench.codecs.build import build_codec
from bench.engine.agreement import agreement
from bench.engine.elsewhere import Elsewhere, decode_on_older_processor, frames_of
from bench.engine.hidden_paths import decoder_places
from bench.processes import isolation
from bench.processes.pool import Pool
from bench.records import Task
from bench.results.run_info import Verdict
from bench.signals import Signal

_OLDER = "another instruction set"
_LARGE_BYTES = 1 << 20
"""A payload of more goes between processes as a file: through pipes it is copied ten times."""
# decoding that takes less is not worth a process of its own, whose start takes a tenth of a second
_WORTH_A_PROCESS_SECONDS = 0.2
_SLOWER = 10.0
"""A stream may take so many times as long as it took where it was coded, whatever the limit."""


@dataclass(frozen=True, slots=True)
class DecodedPayload:
    """A payload and the hash of the signal that its encoder's process decoded it to."""

    codec: str
    point: str
    item: str
    payload: bytes
    decoded_sha256: str
    decode_seconds: float = 0.0
    # whether the encoder was unable to write where its decoder reads
    guarded: bool = False
    # the file that holds a large payload, which is empty then
    place: Path | None = None

    def laid_down(self, folder: Path | None) -> DecodedPayload:
        """With a large payload in a file of the folder that processes of this machine share."""
        if folder is None or len(self.payload) <= _LARGE_BYTES:
            return self
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(self.payload)
        return replace(self, payload=b"", place=Path(file.name))

    def taken_up(self) -> DecodedPayload:
        """With its payload again, whose file is gone."""
        if self.place is None:
            return self
        payload = self.place.read_bytes()
        self.place.unlink()
        return replace(self, payload=payload, place=None)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of decoding one payload again; ``detail`` says what is wrong or worth knowing."""

    passed: bool
    detail: str = ""
    # how far the process was isolated from the original, as isolation.describe() says it
    isolation: str = ""


class FreshDecodes:
    """The payloads of a run that are to be decoded again.

    A fresh process decodes payloads of one codec: all, once the last of them has arrived, or as few
    as are worth a process.
    """

    def __init__(
        self, pool: Pool, cards: Mapping[str, CodecCard], device: str, seconds: float
    ) -> None:
        """``seconds`` is the time limit for one payload."""
        self._pool, self._cards, self._device, self._seconds = pool, cards, device, seconds
        self._reads: dict[str, tuple[Path, ...]] = {}
        self._since = 0.0
        self._awaited: dict[str, int] = {}
        self._waiting: dict[str, list[DecodedPayload]] = {}
        self.running: dict[Future[list[Finding]], list[DecodedPayload]] = {}

    def expect(
        self, tasks: Iterable[Task], reads: Mapping[str, tuple[Path, ...]] | None = None
    ) -> None:
        """Announces tasks that will deliver a payload; ``reads`` are, by codec, files that decoders
        read besides those that the cards name."""
        self._reads, self._since = dict(reads or {}), time.time()
        for task in tasks:
            self._awaited[task.codec] = self._awaited.get(task.codec, 0) + 1

    def arrived(self, tasks: Iterable[Task], payloads: Iterable[DecodedPayload]) -> None:
        """Takes the payloads of announced tasks that have ended; a failed task has none."""
        for task in tasks:
            self._awaited[task.codec] -= 1
        for one in payloads:
            self._waiting.setdefault(one.codec, []).append(one)

    def start(self, idle: int) -> None:
        """Keeps as many fresh processes at work as workers are idle, and one where none is, but
        that one only on a codec whose payloads have all arrived."""
        for name in list(self._waiting):
            complete = not self._awaited[name]
            while name in self._waiting and len(self.running) < max(idle, complete):
                payloads = self._waiting[name]
                seconds = accumulate(one.decode_seconds for one in payloads)
                few = sum(1 for each in seconds if each < _WORTH_A_PROCESS_SECONDS) + 1
                if few > len(payloads) and not complete:
                    break
                self._send(name, payloads[:few])
                self._waiting[name] = payloads[few:]
                if not self._waiting[name]:
                    del self._waiting[name]

    def _send(self, name: str, payloads: list[DecodedPayload]) -> None:
        future = self._pool.submit_fresh(
            fresh_decode, self._cards[name], self._device, payloads,
            self._reads.get(name, ()), self._since, plugins.loaded(),
            timeout=sum(max(self._seconds, _SLOWER * one.decode_seconds) for one in payloads),
        )  # fmt: skip
        self.running[future] = payloads

    def judge(self, future: Future[list[Finding]]) -> list[Verdict]:
        """The verdicts on the payloads of a fresh process that has ended."""
        payloads = self.running.pop(future)
        try:
            findings = future.result()
        except (FutureTimeoutError, ProcessExpired) as error:
            failure = Finding(False, f"decoding in a fresh process failed: {error}")
            findings = [failure] * len(payloads)
        return [
            Verdict("fresh_decode", one.codec, one.point, one.item, *astuple(found))
            for one, found in zip(payloads, findings, strict=True)
        ]


def fresh_decode(
    card: CodecCard,
    device: str,
    payloads: Sequence[DecodedPayload],
    reads: Sequence[Path] = (),
    since: float = math.inf,
    plugged: Sequence[Plugin] = (),
) -> list[Finding]:
    """Isolates this process for good, then calls ``decode_again``.

    The process sees neither the data nor files that an encoder wrote. It sees programs, packages,
    files that the card and ``reads`` name, and weights that were downloaded before ``since``.
    """
    payloads = [one.taken_up() for one in payloads]
    own = Path(tempfile.mkdtemp(prefix="fresh-"))
    kind = isolation.confine_this_process(own, (*decoder_places(card), *reads), since=since)
    if kind == isolation.ISOLATED and not all(one.guarded for one in payloads):
        kind = isolation.BY_LANDLOCK_ALONE
    streams = [one.payload for one in payloads]
    others = decode_on_older_processor(card, device, streams, plugged, own)
    found = decode_again(card, device, payloads, plugged, others)
    return [
        replace(
            one,
            detail=one.detail if one.passed else isolation.with_cure(one.detail),
            isolation=kind,
        )
        for one in found
    ]


def decode_again(
    card: CodecCard,
    device: str,
    payloads: Sequence[DecodedPayload],
    plugged: Sequence[Plugin] = (),
    others: Sequence[Elsewhere] = (),
) -> list[Finding]:
    """Decodes payloads and compares the pixels with those that were measured, and with the
    ``others`` that an older processor gives.

    Imports the ``plugged`` files first: a codec's own code may be one of them.
    """
    try:
        plugins.note(plugged)
        codec = build_codec(card, device=device)
    except Exception as error:  # whatever a codec raises is the verdict
        return [Finding(False, _one_line(error))] * len(payloads)
    known = others or [Elsewhere()] * len(payloads)
    return [_decode_one(codec, *pair) for pair in zip(payloads, known, strict=True)]


def judge_apart(codec: Codec, kind: str, task: Task, payload: bytes, decoded: Signal) -> Verdict:
    """The verdict on a point of a codec whose every item is decoded apart: what that process was
    kept from, which is ``kind``, and whether another number of threads decodes the same."""
    finding = Finding(True)
    try:
        elsewhere = codec.decode_elsewhere(payload)
        if elsewhere is not None:
            finding = _agree(decoded, elsewhere)
    except Exception as error:  # whatever a decoder raises is the verdict
        finding = Finding(False, _one_line(error))
    return Verdict(
        "decoded_apart", task.codec, str(task.point), task.item, finding.passed, finding.detail,
        kind,
    )  # fmt: skip


def judge_afresh(
    codec: DecodesAfresh, kind: str, task: Task, payload: bytes, decoded: Signal
) -> Verdict | None:
    """The verdict where a process that has decoded nothing before makes other samples of a payload
    than one that has decoded others; None where it makes the same."""
    passed, who = False, "a process that has decoded nothing before"
    try:
        found = codec.decode_afresh(payload)
        met = agreement(decoded.layout.format, decoded.frames(), found.frames())
        if met.kind == "exact":
            return None
        passed = met.kind == "one level"  # as on a GPU, which adds in any order
        said = f"rounds {met.changed} of {met.samples} samples the other way"
        said = said if passed else "decodes it to other pixels"
    except Exception as error:  # whatever a decoder raises is the verdict
        said = f"cannot decode it: {_one_line(error)}"
    detail = f"{who} {said}" + "; nothing but the payload may count" * (not passed)
    return Verdict("decoded_apart", task.codec, str(task.point), task.item, passed, detail, kind)


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _decode_one(codec: Codec, coded: DecodedPayload, other: Elsewhere) -> Finding:
    try:
        found = codec.decode(coded.payload)
        if found.sha256() != coded.decoded_sha256:
            return Finding(False, "a fresh process decodes it to other pixels")
        if other.frames is not None:
            kind = agreement(found.layout.format, found.frames(), frames_of(other.frames)).kind
            if kind == "exact":
                return Finding(True)
        # what an older processor and other threads do together, the threads may have done
        elsewhere = codec.decode_elsewhere(coded.payload)
        threads = Finding(True) if elsewhere is None else _agree(found, elsewhere)
    except Exception as error:  # whatever a decoder raises is the verdict
        return Finding(False, _one_line(error))
    if not threads.passed:
        return threads
    older = _on_older(found, other)
    return Finding(older.passed, "; ".join(filter(None, (threads.detail, older.detail))))


def _on_older(found: Signal, other: Elsewhere) -> Finding:
    """What another instruction set does. Another picture is a failure; a refusal is none, since
    nobody takes it for the picture, but is said."""
    if other.error:
        return Finding(True, f"{_OLDER} refuses it: {other.error}")
    if other.frames is None:
        return Finding(True)
    met = agreement(found.layout.format, found.frames(), frames_of(other.frames))
    if met.kind == "garbage":
        return Finding(False, f"{_OLDER} decodes other pixels")
    if met.kind == "drift":
        return Finding(
            True,
            f"{_OLDER} decodes samples that differ by up to {met.largest:g}, {met.psnr:.1f} dB",
        )
    return Finding(True, f"{_OLDER} rounds {met.changed} of {met.samples} samples the other way")


def _agree(found: Signal, elsewhere: Signal) -> Finding:
    """Compares the signal with ``elsewhere``, decoded with another number of threads.

    A float synthesis may then round single samples differently, which passes. An entropy decoder
    that lost synchronisation gives another picture, which does not.
    """
    met = agreement(found.layout.format, found.frames(), elsewhere.frames())
    if met.kind == "exact":
        return Finding(True)
    if met.kind == "one level":
        said = f"rounds {met.changed} of {met.samples} samples the other way"
        return Finding(True, f"another number of threads {said}")
    return Finding(False, "another number of threads decodes other pixels")
