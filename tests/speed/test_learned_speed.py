"""The hyperprior's CPU time beside that of CompressAI's; run by `make speed`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.codecs.build import build_codec
from bench.codecs.support.tensors import inference, to_tensor
from bench.records import Point
from bench.signals import image


def _cpu(call: Callable[[], object], rounds: int = 5) -> float:
    call()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        call()
        seconds.append(time.process_time() - start)
    return min(seconds)


def test_hyperprior_against_compressai(kodak_folder: Path) -> None:
    """Encoder and decoder of a Kodak picture on one core, entropy coding included; CompressAI's
    mean-scale hyperprior with untrained weights, which cost the same."""
    pixels = np.asarray(Image.open(min(kodak_folder.glob("kodim*.png"))))
    codec, point = (
        build_codec(load_registry().codec("hyperprior"), device="cpu"),
        Point("quality", 4),
    )
    signal = image(pixels)
    payload = codec.encode(signal, point).payload
    encoding = _cpu(lambda: codec.encode(signal, point))
    decoding = _cpu(lambda: codec.decode(payload))
    other = pytest.importorskip("compressai.zoo").mbt2018_mean(4).eval()
    other.update(force=True)
    with inference("cpu"):
        tensor = to_tensor(pixels, 64)
        found = other.compress(tensor)
        their_encoding = _cpu(lambda: other.compress(tensor))
        their_decoding = _cpu(lambda: other.decompress(found["strings"], found["shape"]))
    print(
        f"\nhyperprior: encoder {encoding:.2f} s of CPU, decoder {decoding:.2f} s; CompressAI's "
        f"mean-scale hyperprior {their_encoding:.2f} and {their_decoding:.2f} s: "
        f"{their_encoding / encoding:.1f} and {their_decoding / decoding:.1f} ×"
    )
    assert encoding < their_encoding and decoding < their_decoding
