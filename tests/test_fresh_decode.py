"""Verdicts on decoding again: in a fresh process and with another number of threads."""

from collections.abc import Callable

import numpy as np
import pytest

from bench import measure
from bench.cards import CodecCard
from bench.signals import Signal, image


class _Learned:
    """Decodes to ``pixel`` and, with other threads, to ``elsewhere``."""

    def __init__(self, pixel: int, elsewhere: int) -> None:
        self.pixel, self.elsewhere = pixel, elsewhere

    def decode(self, payload: bytes) -> Signal:
        return image(np.full((2, 2), self.pixel, np.uint8))

    def decode_elsewhere(self, payload: bytes) -> Signal:
        return image(np.full((2, 2), self.elsewhere, np.uint8))


@pytest.mark.parametrize(
    ("pixel", "elsewhere", "expected"),
    [
        (7, 7, lambda fault: fault is None),
        (7, 8, lambda fault: "number of threads" in fault),
        (8, 8, lambda fault: "fresh process" in fault),
    ],
)
def test_verdicts(
    monkeypatch: pytest.MonkeyPatch, pixel: int, elsewhere: int, expected: Callable[[str], bool]
) -> None:
    monkeypatch.setattr(measure, "build_codec", lambda *_, **__: _Learned(pixel, elsewhere))
    measured = image(np.full((2, 2), 7, np.uint8)).sha256()
    proof = measure.Evidence("x", "mode=only", "item", b"payload", measured)
    card: CodecCard = None  # type: ignore[assignment]
    (fault,) = measure.fresh_decode(card, "cpu", [proof])
    assert expected(fault)
