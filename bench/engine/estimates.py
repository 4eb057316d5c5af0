"""Looks at the estimate of a rate before it is stored: whether it is a number, and whether it is
that of the stream. Changes no measured number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from bench.codecs.base import Encoded, Estimate
from bench.errors import CodecError
from bench.records import RATE_REMARK

_FAR = 0.05
_FLUSH_BITS = 8 * 32.0
"""What entropy coders add to the strings of a picture when they end."""


def examined(encoded: Encoded, asked: float | None) -> tuple[Encoded, Mapping[str, str]]:
    """The stream with its estimate, ``asked`` where the encoder gave none, and remarks on it.

    Only an estimate that was asked for is one of likelihoods, and is compared with the stream.
    Raises CodecError where the estimate is all there is of a rate, and no number.
    """
    if encoded.bits_likelihood is not None and not 0 <= encoded.bits_likelihood < math.inf:
        encoded = replace(encoded, bits_likelihood=None)
    bits = encoded.bits_estimated if encoded.bits_estimated is not None else asked
    if bits is None:
        return encoded, {}
    if not 0 <= bits < math.inf:
        said = f"the likelihoods give {bits} bits"
        if encoded.rate == "estimated":
            raise CodecError(f"{said}, and there is no stream")
        return replace(encoded, bits_estimated=None), {"bpp_estimated": said}
    encoded = replace(encoded, bits_estimated=float(bits))
    return encoded, {} if asked is None else _apart(encoded, asked)


def _apart(encoded: Encoded, bits: float) -> Mapping[str, str]:
    """A remark where estimate and stream differ by more than headers and ends of strings explain.
    Likelihoods at their lower bound say only that a symbol takes at most so much."""
    content = 8.0 * (len(encoded.payload) - (encoded.header_bytes or 0))
    if encoded.rate != "measured" or not content:
        return {}
    least = bits - (bits_at_bound := bits.at_bound if isinstance(bits, Estimate) else 0.0)
    above = content - _FLUSH_BITS > (1 + _FAR) * bits
    below = content < (1 - _FAR) * least
    if not (above or below):
        return {}
    bound = f", {bits_at_bound / 8:.0f} of them at the lower bound" if bits_at_bound else ""
    return {
        RATE_REMARK: f"{bits / 8:.0f} bytes by the likelihoods{bound}, {content / 8:.0f} in the "
        "strings"
    }
