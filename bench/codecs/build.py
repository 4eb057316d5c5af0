"""From a card to a codec: imports the adapter that the card names, checks values, builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from bench.cards import CodecCard, Registry
from bench.cards.codec_specs import parse_settings
from bench.cards.plugins import import_class
from bench.cards.toml import label
from bench.codecs.base import Codec
from bench.codecs.foreign.codec import ForeignCodec, chosen
from bench.codecs.foreign.places import is_ours
from bench.codecs.support.through_rgb import through_rgb
from bench.codecs.variations import check_values, vary
from bench.errors import CardError
from bench.records import CodecName

CODEC_NEEDS = tuple(
    "encode decode parameters lossless refusal check_available versions command compared_depth "
    "colour_path warm_up device_kind decode_elsewhere complexity reads estimate".split()
)


def adapter_class(card: CodecCard) -> type[Codec]:
    """The adapter class, imported now. Raises CardError if the card's adapter does not exist or is
    no codec."""
    adapter: type[Codec] = import_class(
        label(card.path), "adapter", card.adapter, CODEC_NEEDS, "bench.codecs.base:CodecBase"
    )
    if not isinstance(adapter.parameters, Mapping):
        raise CardError(
            f"{label(card.path)}: adapter {card.adapter!r}: parameters is a "
            f"{type(adapter.parameters).__name__}; write a mapping of names to allowed values"
        )
    return adapter


def build_codec(card: CodecCard, *, device: str = "cpu") -> Codec:
    """The adapter instance of a card, after its settings and ladder were checked for range. One
    that is not ours stands for processes of its own, which check them when they are asked."""
    if not is_ours(card.adapter):
        # what the protocol has on the class is here the object's own, as the process says it
        return cast(Codec, ForeignCodec(card, device=device))
    adapter = adapter_class(card)
    check_values(card, adapter)
    if (card.environment_path or card.environment_python) and not hasattr(adapter, "decode_afresh"):
        raise CardError(
            f"{label(card.path)}: environment does not count: {card.adapter} runs no code of "
            "others; leave it out"
        )
    return through_rgb(card, adapter)(card, device=device)


def select(registry: Registry, spec: str) -> CodecCard:
    """The card of ``id`` or ``id:key=value,key=v+v``: settings and ladder applied.

    The id of a variation names its settings in order, so that the same variation has one name
    however it was written. Raises UsageError naming what is unknown.
    """
    name = CodecName.parse(spec)
    card = registry.codec(name.card)
    changes = parse_settings(spec, name.settings)
    if not is_ours(card.adapter):
        return chosen(card, changes, spec) if changes else card
    adapter = adapter_class(card)
    card = vary(card, adapter, changes, spec) if changes else card
    check_values(card, adapter)
    return card
