"""Streams that end too early: CompressAI's decoder reads on, and only in memory that is lent."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytest.importorskip("compressai")

_DECODE = """
import sys
import torch
from compressai.entropy_models import EntropyBottleneck
from bench.codecs.support.rans import with_room
torch.manual_seed(0)
model = EntropyBottleneck(4)
model.update()
shape = (4096, 4096)
string = bytes.fromhex(sys.argv[1])
if sys.argv[2] == "room":
    string = with_room(string, 4 * shape[0] * shape[1])
print(model.decompress([string], shape).shape)
"""


def _decode(string: str, how: str) -> int:
    words = [sys.executable, "-c", _DECODE, string, how]
    return subprocess.run(words, capture_output=True, check=False).returncode


@pytest.mark.parametrize("string", ["", "00", "ff" * 8, "0123456789abcdef" * 5, "ff" * 20_000])
def test_a_stream_that_ends_too_early_reads_no_other_memory(string: str) -> None:
    assert _decode(string, "room") == 0


def test_without_room_the_process_dies() -> None:
    """Of a signal, else ``with_room`` has no purpose any more."""
    assert _decode("ff" * 8, "none") < 0
