"""Builds a codec to learn what its numbers depend on and whether it can run here."""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.cards import CodecCard
from bench.cards.toml import label
from bench.codecs.base import THEN, Codec, DecodesApart, refusal_of
from bench.codecs.build import build_codec
from bench.engine.plan import Probe
from bench.errors import CodecError, Unavailable
from bench.machine import file_digest
from bench.signals import Layout


def probe(card: CodecCard, device: str, layout: Layout | None = None) -> Probe:
    """What the codec of a card says of itself on this machine, or why it cannot; with the layout of
    an item the command that codes it."""
    try:
        reads_of = {path: _mark(card, path) for path in card.reads}
        codec = build_codec(card, device=device)
        codec.check_available()
        kind, complexity, reads = codec.device_kind(), codec.complexity(), codec.reads()
        if not isinstance(codec, DecodesApart):
            command = _command(codec, card, layout)
            return Probe(card.id, codec.versions(), kind, complexity, reads, command=command)
        versions = dict(codec.versions())
        if card.reads:  # other files in sight of the decoder are another verdict
            versions["reads"] = ", ".join(f"{path}{mark}" for path, mark in reads_of.items())
        return Probe(card.id, versions, kind, complexity, reads, code=codec.code(), apart=True)
    except Unavailable as error:
        return Probe(card.id, {}, unavailable=str(error))
    except CodecError as error:
        return Probe(card.id, {}, failure=str(error))


def _command(codec: Codec, card: CodecCard, layout: Layout | None) -> str:
    """As a shell takes it, at the first point; of programs and files the names alone."""
    if layout is None or card.searched or refusal_of(codec, layout):
        return ""
    words = codec.command(layout, card.ladder[0])
    named = (Path(word).name if word.startswith("/") else word for word in words)
    return " ".join(word if word == THEN else shlex.quote(word) for word in named)


def _mark(card: CodecCard, path: Path) -> str:
    """The content of a file that a card's ``reads`` names, in a few digits; of a folder nothing."""
    if not path.exists():
        raise Unavailable(f"{label(card.path)}: reads names {path}, which is missing")
    if not path.is_file():
        return ""
    return f" {file_digest(path)[:12]}"
