"""Builds a codec to learn what its numbers depend on and whether it can run here."""

from __future__ import annotations

from bench.cards import CodecCard, plugins
from bench.codecs.build import build_codec
from bench.engine.plan import Probe
from bench.errors import Unavailable


def probe(card: CodecCard, device: str) -> Probe:
    """What the codec of a card says of itself on this machine."""
    try:
        codec = build_codec(card, device=device)
        codec.check_available()
    except Unavailable as error:
        return Probe(card.id, {}, unavailable=str(error))
    versions = {**codec.versions(), **plugins.version(card.adapter.partition(":")[0])}
    return Probe(card.id, versions, codec.device_kind(), codec.complexity(), codec.reads())
