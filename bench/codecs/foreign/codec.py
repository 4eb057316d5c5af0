"""A codec whose code is not ours, as the engine sees it: one process encodes, another decodes.

The decoder's process never receives a sample of an original. Nothing of the code is imported here.
"""

from __future__ import annotations

import json
import pickle
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.cards import CodecCard, plugins
from bench.codecs.base import Allowed, AnyValue, Choice, Complexity, Encoded, Range, Text
from bench.codecs.foreign.host import Answer, Host, Program, StartError
from bench.codecs.foreign.messages import (
    call_of,
    encoded_of,
    signal_of,
)
from bench.codecs.foreign.places import Environment, decoder_places, environment_of
from bench.codecs.variations import vary
from bench.processes.isolation import launch_folder
from bench.records import Point
from bench.signals import Layout, Signal

_BACKEND = "bench.codecs.foreign.adapter_backend"
_START_SECONDS = 300.0
_PAIRS = 2
"""Of how many codecs a worker of the pool keeps the processes: each may hold a network."""


class Apart:
    """The two processes of a codec. They are started by the first call of each and kept."""

    def __init__(self, card: CodecCard, backend: str, opening: Mapping[str, object]) -> None:
        self.card, self.backend, self.opening = card, backend, opening
        self._environment: Environment | None = None

    @property
    def environment(self) -> Environment:
        """Raises Unavailable where the card names an interpreter or folder that is not here."""
        if self._environment is None:
            self._environment = environment_of(self.card)
        return self._environment

    @property
    def _pair(self) -> tuple[Host, Host]:
        found = self.environment
        opening = {
            "backend": self.backend,
            "path": [str(path) for path in found.first],
            "last": [str(path) for path in found.last],
            "folder": str(launch_folder()),
            **self.opening,
        }
        return _hosts(Program(self.card.id, json.dumps(opening), found.python))

    def encoder(self, call: str, *arguments: object, **named: object) -> Answer:
        """A call to the process that encodes, which may see originals."""
        return self.encoder_with(call, call_of(arguments), **named)

    def encoder_with(self, call: str, blobs: Sequence[bytes], **named: object) -> Answer:
        """The same for a backend that takes bytes alone."""
        return self._pair[0].call(call, named, blobs, seconds=_limit(call))

    def decoder(self, call: str, *arguments: object, **named: object) -> Answer:
        """A call to the process that decodes, which must not."""
        return self.decoder_with(call, call_of(arguments), **named)

    def decoder_with(self, call: str, blobs: Sequence[bytes], **named: object) -> Answer:
        """The same for a backend that takes bytes alone."""
        encoder, decoder = self._pair
        if not decoder.alive:
            decoder.reads = decoder_places(self.card, self.environment, self._sources(encoder))
        return decoder.call(call, named, blobs, seconds=_limit(call))

    @contextmanager
    def another_decoder(self) -> Iterator[None]:
        """Within it a process decodes that has decoded nothing before."""
        encoder, decoder = self._pair
        fresh = Host(decoder.program, decoder=True)
        _kept[decoder.program] = (encoder, fresh)
        try:
            yield
        finally:
            fresh.close()
            _kept[decoder.program] = (encoder, decoder)

    @staticmethod
    def _sources(encoder: Host) -> list[Path]:
        """The files that the encoder loaded, without those that it may have written itself."""
        found = map(Path, encoder.call("sources").result["sources"]) if encoder.alive else ()
        own = encoder.own
        return [path for path in found if own is None or own.resolve() not in path.parents]

    def code(self) -> tuple[dict[str, str], dict[str, str]]:
        """What was loaded so far: versions of installed releases and of another interpreter, and by
        path the sha256 of files that are part of none."""
        versions: dict[str, str] = {}
        sources: dict[str, str] = {}
        for host in self._pair:
            if host.alive:
                found = host.call("sources").result
                versions |= found["versions"]
                if self.card.environment_python is not None:  # ours is told for all codecs
                    versions["python"] = found["python"]
                sources |= found["sources"]
        return versions, sources

    @property
    def isolation(self) -> str:
        """How far the decoder's process is kept from originals and from the encoder's."""
        return self._pair[1].isolation


def _limit(call: str) -> float | None:
    """Coding has the time limit of the run; all else that foreign code does, one of its own."""
    coding = call in ("encode", "decode", "warm_up", "estimate", "decode_elsewhere", "complexity")
    return None if coding else _START_SECONDS


_kept: OrderedDict[Program, tuple[Host, Host]] = OrderedDict()


def _hosts(program: Program) -> tuple[Host, Host]:
    """The processes of a program, shared by all who ask for it in this process."""
    if program not in _kept:
        _kept[program] = (Host(program), Host(program, decoder=True))
    _kept.move_to_end(program)
    while len(_kept) > _PAIRS:
        for host in _kept.popitem(last=False)[1]:
            host.close()
    return _kept[program]


def close_all() -> None:
    """Ends all processes of codecs that are not ours."""
    while _kept:
        for host in _kept.popitem()[1]:
            host.close()


class ForeignCodec:
    """An adapter that is not ours, behind the protocol of bench.codecs.base."""

    def __init__(self, card: CodecCard, *, device: str = "cpu") -> None:
        self.card, self.settings, self.device = card, card.settings, device
        self.apart = _apart(card, device)
        self._described: Mapping[str, Any] | None = None

    @property
    def _facts(self) -> Mapping[str, Any]:
        if self._described is None:
            self._described = self.apart.encoder("describe").result
        return self._described

    def _asked(self, call: str, *arguments: object) -> Any:
        """What the encoder's process answers in plain data."""
        return self.apart.encoder(call, *arguments).result.get("value")

    @property
    def parameters(self) -> Mapping[str, Allowed]:
        return {name: _allowed(told) for name, told in self._facts["parameters"].items()}

    @property
    def lossless(self) -> bool:
        return bool(self._facts["lossless"])

    @property
    def formats(self) -> Sequence[str]:
        return tuple(self._facts["formats"])

    @property
    def isolation(self) -> str:
        return self.apart.isolation

    def command(self, layout: Layout, point: Point) -> Sequence[str]:
        return ()

    def compared_depth(self) -> int | None:
        depth = self._facts["compared_depth"]
        return None if depth is None else int(depth)

    def check_available(self) -> None:
        self.apart.encoder("choose", changes={}, spec="")
        self.apart.encoder("check_available")

    def versions(self) -> Mapping[str, str]:
        told = self._asked("versions") or {}
        releases, _ = self.apart.code()
        return {**releases, **told, **self._facts["plugin"]}

    def code(self) -> Mapping[str, str]:
        return self.apart.code()[1]

    def device_kind(self) -> str:
        return str(self._asked("device_kind") or "")

    def refusal(self, layout: Layout) -> str | None:
        reason = self._asked("refusal", layout)
        return None if reason is None else str(reason)

    def encode(self, signal: Signal, point: Point) -> Encoded:
        answer = self.apart.encoder("encode", signal, point)
        return encoded_of(answer.result, answer.blobs)

    def decode(self, payload: bytes) -> Signal:
        answer = self.apart.decoder("decode", payload)
        return signal_of(answer.result, answer.blobs)

    def decode_afresh(self, payload: bytes) -> Signal:
        with self.apart.another_decoder():
            return self.decode(payload)

    def decode_elsewhere(self, payload: bytes) -> Signal | None:
        answer = self.apart.decoder("decode_elsewhere", payload)
        return signal_of(answer.result, answer.blobs) if "signal" in answer.result else None

    def colour_path(self, signal: Signal) -> Signal | None:
        answer = self.apart.encoder("colour_path", signal)
        return signal_of(answer.result, answer.blobs) if "signal" in answer.result else None

    def warm_up(self, signal: Signal, point: Point) -> None:
        """Both processes; the decoder's on samples that are all 0."""
        self.apart.encoder("warm_up", signal, point)
        blank = np.zeros(signal.layout.frame_shape, signal.layout.frame_dtype)
        frames = [blank] * signal.layout.frames
        self.apart.decoder("warm_up", Signal(signal.layout, lambda: iter(frames)), point)

    def complexity(self) -> Complexity | None:
        table = self.apart.encoder("complexity").result.get("complexity")
        return table and Complexity(**{key: float(one) for key, one in table.items()})

    def reads(self) -> tuple[Path, ...]:
        return tuple(map(Path, self._asked("reads") or ()))

    def estimate(self, signal: Signal, point: Point) -> float | None:
        value = self._asked("estimate", signal, point)
        return None if value is None else float(value)


def _apart(card: CodecCard, device: str) -> Apart:
    context = pickle.dumps((card, device, plugins.loaded())).hex()
    return Apart(card, _BACKEND, {"context": context})


def _allowed(told: list[Any]) -> Allowed:
    if told[0] == "range":
        return Range(told[1], told[2], integer=bool(told[3]))
    return Choice(tuple(told[1:])) if told[0] == "choice" else Text(str(told[0]))


def chosen(card: CodecCard, changes: Mapping[str, str], spec: str) -> CodecCard:
    """The card with the changes of a codec spec, which a process of its own checks against the
    adapter. Where the adapter cannot be asked they are taken as they are: its rows then say why.
    """
    try:
        found = _apart(card, "cpu").encoder("choose", changes=dict(changes), spec=spec).result
    except StartError:
        return vary(card, _Unknown, changes, spec)  # type: ignore[arg-type]
    ladder = tuple(Point(key, value) for key, value in found["ladder"])
    return replace(
        card, id=found["id"], title=found["title"], ladder=ladder, settings=found["settings"]
    )


class _Unknown:
    """Stands for an adapter that cannot be imported: any setting may be one of its."""

    class _Any(Mapping[str, Allowed]):
        def __getitem__(self, key: str) -> Allowed:
            return AnyValue()

        def __iter__(self) -> Iterator[str]:
            return iter(())

        def __len__(self) -> int:
            return 0

        def __contains__(self, key: object) -> bool:
            return True

    parameters = _Any()
