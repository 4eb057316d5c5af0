"""Streams of the shipped learned codecs, written here and decoded with other arithmetic: by other
instruction sets and on two threads. What is entropy-coded must come out exactly, or the picture is
another one; float syntheses may round a few samples the other way."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.build import build_codec, select
from bench.machine import multiplies_bfloat16
from bench.signals import Signal, clip, image, vectors
from tests.agreement import BFLOAT16_APART, ROUNDED_APART, assert_rounded_alike
from tests.pictures import picture
from tests.system.with_torch.codecs.elsewhere import ARITHMETICS

ROOT = Path(__file__).parents[4]


def _digits() -> Signal:
    y, x = np.mgrid[:64, :64]
    rings = [3.2 - np.abs(np.hypot(x - 20 - 2 * t, y - 26 - t) - 8) for t in range(4)]
    return clip(np.rint(255 * np.clip(np.stack(rings), 0, 1)).astype(np.uint8))


def _scene() -> Signal:
    whole = picture(60, 60, 3)
    return clip(np.stack([whole[t : t + 48, t : t + 48] for t in range(7)]))


SIGNALS = {
    "hyperprior": lambda: image(picture(96, 128)),
    "vqvae2-512": lambda: image(picture(96, 128)),
    "vqvae2-512:coder=pixelsnail": lambda: image(picture(64, 64)),
    "vqvae2-512:coder=transformer": lambda: image(picture(64, 64)),
    "qcae": _digits,
    "qcae-any": _digits,
    "qcae-paper": _digits,
    "qcae-rd": _digits,
    "vae3d": _scene,
    "cifar-vae": lambda: image(picture(32, 32)),
    "gaussian-ae": lambda: vectors(np.random.default_rng(2).normal(size=(32, 100))),
}
EXACT = ("qcae-rd",)
"""Codecs all of whose decoder is fixed-point arithmetic."""
HALVED = ("hyperprior",)
"""Codecs that compute in bfloat16 where the processor does."""


BY_DAY = ("qcae-rd", "hyperprior")


def decoded_elsewhere(
    folder: Path, codecs: Sequence[str], arithmetics: Sequence[str]
) -> dict[tuple[str, str], tuple]:
    """Of each arithmetic and codec, what was decoded there and here."""
    registry, here = load_registry(), {}
    for number, words in enumerate(codecs):
        card = select(registry, words)
        codec = build_codec(card)
        payload = codec.encode(SIGNALS[words](), card.ladder[len(card.ladder) // 2]).payload
        (folder / f"{number}.bin").write_bytes(payload)
        (folder / f"{number}.txt").write_text(words)
        here[words] = codec.decode(payload).array()
    found = {}
    for name in arithmetics:
        subprocess.run(
            [sys.executable, "-m", "tests.system.with_torch.codecs.elsewhere", str(folder)],
            check=True, cwd=ROOT, env={**os.environ, **ARITHMETICS[name], "OMP_NUM_THREADS": "2"},
        )  # fmt: skip
        for number, words in enumerate(codecs):
            found[name, words] = (np.load(folder / f"{number}.npy"), here[words])
    return found


@pytest.fixture(scope="module")
def decoded(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple]:
    return decoded_elsewhere(tmp_path_factory.mktemp("streams"), list(SIGNALS), list(ARITHMETICS))


def test_an_exact_and_a_float_codec_decode_alike_with_older_instructions(tmp_path: Path) -> None:
    for (_, words), (there, here) in decoded_elsewhere(tmp_path, BY_DAY, ["avx2"]).items():
        check(words, there, here)


@pytest.mark.nightly
@pytest.mark.parametrize("words", SIGNALS)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_stream_decodes_alike_with_other_arithmetic(
    decoded: dict[tuple[str, str], tuple], arithmetic: str, words: str
) -> None:
    check(words, *decoded[arithmetic, words])


def check(words: str, there: np.ndarray, here: np.ndarray) -> None:
    if words in EXACT:
        np.testing.assert_array_equal(there, here)
    elif here.dtype == np.uint8:
        halved = words in HALVED and multiplies_bfloat16()
        assert_rounded_alike(there, here, BFLOAT16_APART if halved else ROUNDED_APART)
    else:  # float32 sums of 100 products: seven digits of the largest
        np.testing.assert_allclose(there, here, rtol=0, atol=1e-5 * np.abs(here).max())
