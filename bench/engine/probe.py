"""Builds a codec to learn what its numbers depend on and whether it can run here."""

from __future__ import annotations

import hashlib
from pathlib import Path

from bench.cards import CodecCard
from bench.cards.toml import label
from bench.codecs.base import DecodesApart
from bench.codecs.build import build_codec
from bench.engine.plan import Probe
from bench.errors import CodecError, Unavailable


def probe(card: CodecCard, device: str) -> Probe:
    """What the codec of a card says of itself on this machine, or why it cannot."""
    try:
        reads_of = {path: _mark(card, path) for path in card.reads}
        codec = build_codec(card, device=device)
        codec.check_available()
        kind, complexity, reads = codec.device_kind(), codec.complexity(), codec.reads()
        if not isinstance(codec, DecodesApart):
            return Probe(card.id, codec.versions(), kind, complexity, reads)
        versions = dict(codec.versions())
        if card.reads:  # other files in sight of the decoder are another verdict
            versions["reads"] = ", ".join(f"{path}{mark}" for path, mark in reads_of.items())
        return Probe(card.id, versions, kind, complexity, reads, code=codec.code())
    except Unavailable as error:
        return Probe(card.id, {}, unavailable=str(error))
    except CodecError as error:
        return Probe(card.id, {}, failure=str(error))


def _mark(card: CodecCard, path: Path) -> str:
    """The content of a file that a card's ``reads`` names, in a few digits; of a folder nothing."""
    if not path.exists():
        raise Unavailable(f"{label(card.path)}: reads names {path}, which is missing")
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return f" {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
