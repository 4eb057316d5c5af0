"""Golden payloads of the learned codecs with small networks of fixed weights: a change of the coded
output is a breaking change.

Weights are multiples of powers of two, tables are computed in float64 and the encoder's choices are
clear ones, so that every machine writes the same payload. The checksum also covers what a network
is not coded by, so it is left out.
"""

import hashlib
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from bench.cards import CodecCard, load_registry
from bench.codecs.build import build_codec, select
from bench.codecs.support import weights
from bench.learned.hyperprior.codec import Hyperprior
from bench.learned.hyperprior.network import GainedHyperprior
from bench.learned.vqvae2.codec import VqVae2Codec
from bench.learned.vqvae2.network import VqVae2
from bench.learned.vqvae2.prior_coder import LEVELS, build_prior, prior_name
from bench.records import Point
from bench.signals import image
from tests.system.with_torch.codecs.golden import NO_COMPRESSAI, clear_choices, float64_tables
from tests.system.with_torch.codecs.here import Here
from tests.system.with_torch.codecs.tiny_zoo import network_class

pytestmark = pytest.mark.usefixtures("one_thread")

ONLY = Point("mode", "only")


def _pixels(height: int = 48, width: int = 40) -> np.ndarray:
    row, column, colour = np.mgrid[:height, :width, :3]
    wave = np.sin(row / 5 + colour) + np.cos(column / 7 - row / 11) + ((row // 8 + column // 8) % 2)
    return np.clip(100 + 40 * wave, 0, 255).round().astype(np.uint8)


@torch.no_grad()
def _fill(model: nn.Module, gain: float = 1.0) -> None:
    """Pseudo-random weights with a variance of about ``gain² / inputs``, but what
    starts the same everywhere: the entropy bottleneck's shape and GDN."""
    for name, each in model.named_parameters():
        shape = "entropy_bottleneck" in name and "bias" not in name
        if shape or name.endswith(("quantiles", "beta", "gamma")):
            continue
        noise = _noise(each.numel(), len(name))
        inputs = each[0].numel() if each.dim() > 1 else 16
        scale = gain * 2.0 ** round(math.log2(3.5 / math.sqrt(inputs)))
        each.copy_((scale * noise).view_as(each))


def _noise(count: int, seed: int) -> torch.Tensor:
    """Multiples of 2⁻¹² in −0.5 … 0.5 (Knuth's multiplicative hashing)."""
    mixed = (np.arange(count, dtype=np.uint64) + np.uint64(977 * seed)) * np.uint64(2654435761)
    mixed %= np.uint64(2**32)
    mixed = (mixed ^ (mixed >> np.uint64(15))) * np.uint64(2246822519) % np.uint64(2**32)
    mixed ^= mixed >> np.uint64(13)
    return torch.from_numpy((mixed % np.uint64(4096)).astype(np.float64) / 4096 - 0.5)


def _digest(payload: bytes) -> str:
    """Of all but the kind and checksum."""
    return hashlib.sha256(payload[5:]).hexdigest()[:16]


def _card(folder: Path, codec: str, *points: Point, **settings: object) -> CodecCard:
    return CodecCard(
        codec,
        folder / f"{codec}.toml",
        "",
        "",
        ("image",),
        settings=settings,
        ladder=points or (ONLY,),
    )


def _save(folder: Path, codec: str, name: str, model: nn.Module) -> None:
    state = model.state_dict()
    weights.save_weights(folder / "weights" / codec, codec, name, state, precision="float32")


@pytest.mark.parametrize(
    ("context", "size", "digest"),
    [("none", 8619, "a0a3c4b9e719d18e"), ("checkerboard", 7995, "f89755219e793732")],
)
def test_hyperprior(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, context: str, size: int, digest: str
) -> None:
    # in bfloat16, where a processor has it, latents differ by more than choices are clear
    monkeypatch.setattr("bench.learned.hyperprior.codec.multiplies_bfloat16", lambda: False)
    network = GainedHyperprior()
    _fill(network)
    with float64_tables(network):
        network.finalise()
    _save(tmp_path, "hyperprior", "model", network)
    codec = Hyperprior(_card(tmp_path, "hyperprior", Point("quality", 3), context=context))
    with clear_choices():
        payload = codec.encode(image(_pixels()), Point("quality", 3)).payload
    assert (len(payload), _digest(payload)) == (size, digest)


@pytest.mark.parametrize(
    ("name", "size", "digest"),
    [("bmshj2018-factorized", 269, "ec4de8781f58e000"), ("mbt2018-mean", 939, "46de23500baf5587")],
)
def test_compressais_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, size: int, digest: str
) -> None:
    """Digests are of streams whose number of strings stood nowhere and whose point was 1."""
    pytest.importorskip("compressai", reason=NO_COMPRESSAI)
    monkeypatch.setattr("bench.codecs.compressai_model.Apart", Here)
    network = network_class(name)(8, 32)
    _fill(network, 2)
    with float64_tables(network):
        network.update(force=True)  # type: ignore[operator]
    torch.save(network.state_dict(), tmp_path / "1.pth")
    card = select(load_registry(), f"{name}:weights={tmp_path}/{{quality}}.pth,quality=1")
    with clear_choices():
        payload = build_codec(card).encode(image(_pixels()), card.ladder[0]).payload
    width, height, kind = payload[6:9]
    assert (width, height, kind % 3) == (40, 48, 0)
    before = bytes([1, width, height, 0]) + payload[9:]
    assert (len(payload), hashlib.sha256(before).hexdigest()[:16]) == (size, digest)


# not zlib: its bytes are those of the library that Python was built with
VARIATIONS = {
    "fixed": "320bc8e1797ee419",
    "adaptive": "edfeee58820ba471",
    "pixelsnail, indices": "bd0db4b050002526",
    "pixelsnail, vectors": "1181b3f0bc5ded19",
    "transformer, indices": "e4d361492e2b9248",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs")
    network = VqVae2(32, 8)
    _fill(network)
    for codebook in (network.codebook_top, network.codebook_bottom):
        codebook.vectors.copy_(2 * _noise(256, 3).view(32, 8))
    _save(folder, "vqvae2", "model", network)
    for variation in VARIATIONS:
        coder, _, entropy_input = variation.partition(", ")
        for level in LEVELS if entropy_input else ():
            prior = build_prior({"codes": 32, "dim": 8}, coder, entropy_input, level)
            _fill(prior)
            _save(folder, "vqvae2", prior_name(coder, entropy_input, level), prior)
    return folder


@pytest.mark.parametrize("variation", VARIATIONS)
def test_vqvae2(folder: Path, variation: str) -> None:
    coder, _, entropy_input = variation.partition(", ")
    settings = {"codes": 32, "dim": 8, "coder": coder, "input": entropy_input or "indices"}
    codec = VqVae2Codec(_card(folder, "vqvae2", **settings))
    with clear_choices():
        payload = codec.encode(image(_pixels()), ONLY).payload
    assert _digest(payload) == VARIATIONS[variation]
