"""Builds a codec to learn what its numbers depend on and whether it can run here."""

from __future__ import annotations

from bench.cards import CodecCard
from bench.codecs.base import DecodesApart
from bench.codecs.build import build_codec
from bench.engine.plan import Probe
from bench.errors import CodecError, Unavailable


def probe(card: CodecCard, device: str) -> Probe:
    """What the codec of a card says of itself on this machine, or why it cannot."""
    try:
        codec = build_codec(card, device=device)
        codec.check_available()
        kind, complexity, reads = codec.device_kind(), codec.complexity(), codec.reads()
        if not isinstance(codec, DecodesApart):
            return Probe(card.id, codec.versions(), kind, complexity, reads)
        versions = dict(codec.versions())
        if card.reads:  # other files in sight of the decoder are another verdict
            versions["reads"] = ", ".join(map(str, card.reads))
        return Probe(card.id, versions, kind, complexity, reads, code=codec.code())
    except Unavailable as error:
        return Probe(card.id, {}, unavailable=str(error))
    except CodecError as error:
        return Probe(card.id, {}, failure=str(error))
