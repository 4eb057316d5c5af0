"""A network of a card in the process that tests it: what is said to it needs no processes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bench.cards import CodecCard
from bench.codecs.foreign.host import Answer, refuse
from bench.codecs.foreign.model_backend import Backend
from bench.codecs.foreign.plain import Fault
from bench.codecs.foreign.worker import described


class Here:
    """Stands for the two processes of a network: as many backends, in this process."""

    isolation = "none"

    def __init__(self, card: CodecCard, _backend: str, opening: Mapping[str, Any]) -> None:
        self._codec, self._opening = card.id, opening
        self._opened: dict[str, Backend] = {}

    def encoder_with(self, call: str, blobs: Sequence[bytes], **named: Any) -> Answer:
        return self._call("encoder", call, blobs, named)

    def decoder_with(self, call: str, blobs: Sequence[bytes], **named: Any) -> Answer:
        return self._call("decoder", call, blobs, named)

    def code(self) -> tuple[dict[str, str], dict[str, str]]:
        return {}, {}

    def _call(
        self, side: str, call: str, blobs: Sequence[bytes], named: Mapping[str, Any]
    ) -> Answer:
        try:
            if side not in self._opened:
                backend = Backend()
                backend.open(json.loads(json.dumps(self._opening)), [])
                self._opened[side] = backend
            named = json.loads(json.dumps(named))
            result, found = getattr(self._opened[side], call)(named, list(blobs))
            return Answer(json.loads(json.dumps(result)), found)
        except Exception as error:
            kind = {"kind": error.kind, "type": "Fault"} if isinstance(error, Fault) else {}
            refuse(self._codec, {**described(error), **kind})
