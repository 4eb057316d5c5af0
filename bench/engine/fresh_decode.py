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
from pathlib import Path

import numpy as np
from pebble import ProcessExpired

from bench.cards import CodecCard, plugins
from bench.cards.plugins import Plugin
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.engine.hidden_paths import decoder_places
from bench.processes import isolation
from bench.processes.pool import Pool
from bench.records import Task
from bench.results.run_info import Verdict
from bench.signals import Signal

_DENIALS = ("Permission denied", "Read-only file system", "PermissionError")
_REAL_ROUNDING = 1e-4
"""Real samples of a source of variance 1 may differ by so much where a float32 synthesis adds in
another order: a hundred roundings of 2⁻²⁴ each, and a margin of ten."""


@dataclass(frozen=True, slots=True)
class DecodedPayload:
    """A payload and the hash of what it decoded to."""

    codec: str
    point: str
    item: str
    payload: bytes
    decoded_sha256: str
    guarded: bool = False
    """Whether the encoder could not write among what its decoder reads."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a fresh process found of a payload; ``detail`` says what is wrong or worth knowing."""

    passed: bool
    detail: str = ""
    isolation: str = ""
    """How far the process was kept from the original, in the words of isolation.py."""


class FreshDecodes:
    """The payloads of a run that await their check. Those of a codec go to one fresh process
    together, once the last of them is in."""

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
        """Tasks that are about to begin and of which a payload will come, and what their codecs
        read besides what the cards say."""
        self._reads, self._since = dict(reads or {}), time.time()
        for task in tasks:
            self._awaited[task.codec] = self._awaited.get(task.codec, 0) + 1

    def arrived(self, tasks: Iterable[Task], payloads: Iterable[DecodedPayload]) -> None:
        """Expected tasks that are over, and the payloads that came of them."""
        for task in tasks:
            self._awaited[task.codec] -= 1
        for one in payloads:
            self._waiting.setdefault(one.codec, []).append(one)

    def start(self) -> None:
        """Sends the payloads of codecs that are complete to a fresh process."""
        for name in [name for name in self._waiting if not self._awaited[name]]:
            payloads = self._waiting.pop(name)
            future = self._pool.submit_fresh(
                fresh_decode, self._cards[name], self._device, payloads,
                self._reads.get(name, ()), self._since, plugins.loaded(),
                timeout=self._seconds * len(payloads),
            )  # fmt: skip
            self.running[future] = payloads

    def judge(self, future: Future[list[Finding]]) -> list[Verdict]:
        """The verdicts of a check that has ended."""
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
    """``decode_again`` in isolation, from which this process never comes back: it sees neither the
    data nor what an encoder wrote, of downloaded weights those from before ``since``, else
    programs, packages, and what card and codec read."""
    own = Path(tempfile.mkdtemp(prefix="fresh-"))
    kind = isolation.shut_in(own, (*decoder_places(card), *reads), since=since)
    if kind == isolation.ISOLATED and not all(one.guarded for one in payloads):
        kind = isolation.BY_LANDLOCK_ALONE
    found = decode_again(card, device, payloads, plugged)
    return [replace(_with_cure(one, kind), isolation=kind) for one in found]


def decode_again(
    card: CodecCard, device: str, payloads: Sequence[DecodedPayload], plugged: Sequence[Plugin] = ()
) -> list[Finding]:
    """Decodes payloads in a process that never saw them encoded: the pixels must be those that were
    measured. Files of ``--plugin`` are imported here, for they may be the codec's own code."""
    try:
        plugins.install(plugged)
        codec = build_codec(card, device=device)
    except Exception as error:  # whatever a codec raises is the verdict
        return [Finding(False, _one_line(error))] * len(payloads)
    return [_decode_one(codec, one) for one in payloads]


def _with_cure(finding: Finding, kind: str) -> Finding:
    """A failure that isolation may have caused, with what to do if the decoder is honest."""
    denied = any(word in finding.detail for word in _DENIALS)
    if finding.passed or not denied or not kind.startswith(isolation.ISOLATED):
        return finding
    cure = "a decoder sees no files but programs, packages and what its card names: reads = [...]"
    return replace(finding, detail=f"{finding.detail}; {cure}")


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _decode_one(codec: Codec, coded: DecodedPayload) -> Finding:
    try:
        found = codec.decode(coded.payload)
        if found.sha256() != coded.decoded_sha256:
            return Finding(False, "a fresh process decodes it to other pixels")
        elsewhere = codec.decode_elsewhere(coded.payload)
        return Finding(True) if elsewhere is None else _agree(found, elsewhere)
    except Exception as error:  # whatever a decoder raises is the verdict
        return Finding(False, _one_line(error))


def _agree(found: Signal, elsewhere: Signal) -> Finding:
    """Decoded with another number of threads. A float synthesis may round a sample the other way;
    an entropy decoder that lost its way makes another picture."""
    rounding = _REAL_ROUNDING if found.layout.samples == "real" else 1
    changed = samples = 0
    largest = 0.0
    for one, two in zip(found.frames(), elsewhere.frames(), strict=True):
        difference = np.abs(one.astype(np.float64) - two.astype(np.float64))
        changed += int(np.count_nonzero(difference))
        largest = max(largest, float(difference.max(initial=0)))
        samples += difference.size
    if largest > rounding:
        return Finding(False, "another number of threads decodes other pixels")
    if not changed:
        return Finding(True)
    return Finding(
        True, f"another number of threads rounds {changed} of {samples} samples the other way"
    )
