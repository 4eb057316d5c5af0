"""What a codec of one's own may import: these names are documented and stay.

Everything else below ``bench.codecs`` may move between releases.
"""

from __future__ import annotations

from bench.codecs.base import (
    Allowed,
    AnyValue,
    Choice,
    CodecBase,
    Complexity,
    Encoded,
    Flag,
    Range,
    Table,
    Text,
)
from bench.codecs.support.container import Container, Contents
from bench.codecs.support.nested_bytes import pack_nest, unpack_nest
from bench.codecs.support.stopwatch import untimed
from bench.errors import BitstreamError, CodecError, Unavailable, Unsupported
from bench.records import Point
from bench.signals import Frame, Layout, Signal, clip, image

__all__ = [
    "Allowed",
    "AnyValue",
    "BitstreamError",
    "Choice",
    "CodecBase",
    "CodecError",
    "Complexity",
    "Container",
    "Contents",
    "Encoded",
    "Flag",
    "Frame",
    "Layout",
    "Point",
    "Range",
    "Signal",
    "Table",
    "Text",
    "Unavailable",
    "Unsupported",
    "clip",
    "image",
    "pack_nest",
    "unpack_nest",
    "untimed",
]
