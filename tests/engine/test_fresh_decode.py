"""Verdicts on decoding again: in a fresh process and with another number of threads."""

import numpy as np
import pytest

from bench.cards import CodecCard
from bench.engine import proofs
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
    ("pixel", "elsewhere", "passed", "says"),
    [
        (7, 7, True, ""),
        (7, 8, True, "rounds 4 of 4 samples the other way"),
        (7, 9, False, "number of threads decodes other pixels"),
        (8, 8, False, "fresh process"),
    ],
)
def test_verdicts(
    monkeypatch: pytest.MonkeyPatch, pixel: int, elsewhere: int, passed: bool, says: str
) -> None:
    monkeypatch.setattr(proofs, "build_codec", lambda *_, **__: _Learned(pixel, elsewhere))
    measured = image(np.full((2, 2), 7, np.uint8)).sha256()
    proof = proofs.Evidence("x", "mode=only", "item", b"payload", measured)
    card: CodecCard = None  # type: ignore[assignment]
    (found,) = proofs.fresh_decode(card, "cpu", [proof])
    assert found.passed == passed
    assert says in found.detail and bool(says) == bool(found.detail)
