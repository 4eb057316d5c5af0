"""The estimate of a rate before it is stored: no number, or not that of the stream."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bench.codecs.base import Encoded, Estimate
from bench.engine.estimates import examined
from bench.errors import CodecError

STREAM = Encoded(bytes(1020), header_bytes=20)
"""1000 bytes of strings."""


@pytest.mark.parametrize("bits", [math.inf, -math.inf, math.nan, -1.0])
def test_an_estimate_that_is_no_number_empties_its_cell_and_says_so(bits: float) -> None:
    encoded, remarks = examined(STREAM, bits)
    assert encoded.bits_estimated is None and encoded.payload == STREAM.payload
    assert remarks == {"bpp_estimated": f"the likelihoods give {bits} bits"}
    likely, _ = examined(replace(STREAM, bits_estimated=8.0, bits_likelihood=bits), None)
    assert (likely.bits_estimated, likely.bits_likelihood) == (8.0, None)
    alone = Encoded(b"", rate="estimated", bits_estimated=bits)
    with pytest.raises(CodecError, match="and there is no stream"):
        examined(alone, None)


@pytest.mark.parametrize(
    ("estimate", "apart"),
    [
        (Estimate(8000), False),
        (Estimate(8 * 1050), False),
        (Estimate(8 * 1060), True),
        # 32 bytes are what the ends of strings may add: (1000 − 32) / 1.05 = 922
        (Estimate(8 * 925), False),
        (Estimate(8 * 915), True),
        # of 1200 bytes 200 are of likelihoods at the bound, whose symbols may cost less
        (Estimate(8 * 1200, 8 * 200), False),
        (Estimate(8 * 1200, 8 * 100), True),
        (None, False),
    ],
)
def test_a_difference_beyond_headers_and_five_percent_is_remarked(
    estimate: Estimate | None, apart: bool
) -> None:
    encoded, remarks = examined(STREAM, estimate)
    assert ("rate" in remarks) == apart
    assert encoded.bits_estimated == estimate
    if apart:
        assert "by the likelihoods" in remarks["rate"] and "1000 in the strings" in remarks["rate"]


def test_what_an_encoder_said_itself_is_not_compared() -> None:
    encoded, remarks = examined(Encoded(bytes(1000), bits_estimated=1.0), None)
    assert encoded.bits_estimated == 1.0 and not remarks


@pytest.mark.parametrize(
    "ledger",
    [
        {"header_bytes": 1001},
        {"header_bytes": -1},
        {"header_bytes": 2.5},
        {"header_bytes": "2"},
        {"discarded_bytes": -1},
        {"discarded_bytes": 1 << 62},
        {"bits_estimated": "x"},
        {"bytes_reported": 4},
        {"rate": "reported"},
        {"rate": "estimated"},
        {"rate": "guessed"},
        {"payload": b""},
    ],
)
def test_a_ledger_that_contradicts_itself_is_refused(ledger: dict[str, Any]) -> None:
    with pytest.raises(CodecError, match="encode returned"):
        Encoded(**{"payload": bytes(1000), **ledger})


def test_numbers_of_numpy_are_numbers() -> None:
    made = Encoded(bytes(9), header_bytes=np.int64(2), bits_estimated=np.float32(0.5))  # type: ignore[arg-type]
    assert (type(made.header_bytes), type(made.bits_estimated)) == (int, float)
