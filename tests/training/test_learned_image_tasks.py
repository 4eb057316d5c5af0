"""The training tasks of the learned image codecs, a few steps each, from card to coded picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cards import CodecCard, load_registry, read_codec
from bench.codecs.hyperprior import Hyperprior
from bench.codecs.vqvae2 import VqVae2Codec
from bench.errors import Unavailable
from bench.models.hyperprior import GainedHyperprior
from bench.records import Point
from bench.signals import image
from bench.training.command import TrainRequest, train
from bench.training.hyperprior import trade_off
from bench.training.pictures import Pictures


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    folder = root / "train" / "images"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for index in range(20):
        coarse = rng.integers(0, 255, (17, 18, 3), np.uint8)
        Image.fromarray(coarse).resize((290, 280), Image.Resampling.BICUBIC).save(
            folder / f"{index:02d}.png"
        )
    return root


def _card(folder: Path, name: str, *changes: tuple[str, str]) -> CodecCard:
    path = folder / f"{name}.toml"
    text = load_registry().codecs[name].read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return read_codec(path)


def test_the_hyperprior_learns_and_codes(tmp_path: Path, data: Path) -> None:
    card = _card(tmp_path, "hyperprior", ("crop = 128", "crop = 64"))
    request = TrainRequest(steps=6, work=tmp_path / "work", data=data, threads=1)
    assert "psnr_q8" in train(card, request)
    codec = Hyperprior(card)
    pixels = np.asarray(Image.open(data / "train" / "images" / "03.png"))
    encoded = codec.encode(image(pixels), Point("quality", 8))
    decoded = codec.decode(encoded.payload).array()[0]
    assert -10 * np.log10(np.mean((decoded / 255 - pixels / 255) ** 2)) > 28


def test_the_trade_off_of_the_hyperprior() -> None:
    found = trade_off(torch.tensor([1.0, 5.0]))
    # λ grows by 2^0.75 with each quality
    assert found.tolist() == pytest.approx([0.0015, 0.0015 * 8])


def test_a_step_lowers_the_hyperpriors_loss(data: Path) -> None:
    torch.manual_seed(0)
    model = GainedHyperprior()
    x = Pictures.open(data).crops(np.random.default_rng(0), 2, 64).float() / 255
    quality = torch.tensor([2.0, 6.5])
    optimiser = torch.optim.Adam(model.parameters(), 1e-5)
    losses = []
    for _ in range(4):
        torch.manual_seed(1)
        result = model(x, quality)
        mse = 255**2 * (result.picture - x).square().mean((1, 2, 3))
        loss = (result.bits / 64**2 + trade_off(quality) * mse).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    untouched = {name for name, each in model.named_parameters() if each.grad is None}
    # quantiles are set by finalise(); all else must be in the loss
    assert untouched == {"entropy_bottleneck.quantiles"}


def test_vqvae2_and_its_priors_train_one_after_the_other(tmp_path: Path, data: Path) -> None:
    card = _card(
        tmp_path,
        "vqvae2-512",
        ("codes = 512", "codes = 16"),
        ("dim = 64", "dim = 8"),
        ("crop = 128", "crop = 32"),
        ("batch = 8", "batch = 2"),
        ("batch = 4", "batch = 1"),
    )
    request = {"work": tmp_path / "work", "data": data, "threads": 1}
    with pytest.raises(Unavailable, match="python -m bench train vqvae2-512"):
        train(card, TrainRequest(part="pixelsnail-indices-top", steps=1, **request))
    assert "bpp_order0" in train(card, TrainRequest(steps=3, **request))
    registry_card = load_registry().codec("vqvae2-512")
    assert set(registry_card.training["parts"]) == {
        f"pixelsnail-{entropy_input}-{level}"
        for entropy_input in ("indices", "vectors")
        for level in ("top", "bottom")
    }
    for level in ("top", "bottom"):
        part = f"pixelsnail-vectors-{level}"
        work = tmp_path / part
        said = train(card, TrainRequest(part=part, steps=1, work=work, data=data, threads=1))
        assert "bpp" in said
    pixels = np.asarray(Image.open(data / "train" / "images" / "03.png"))[:40, :48]
    sizes = {}
    for coder in ("fixed", "pixelsnail"):
        settings = {**card.settings, "coder": coder, "input": "vectors"}
        codec = VqVae2Codec(_with_settings(card, settings))
        payload = codec.encode(image(pixels), Point("mode", "only")).payload
        sizes[coder] = codec.decode(payload).array().tobytes()
    assert sizes["fixed"] == sizes["pixelsnail"]


def _with_settings(card: CodecCard, settings: dict[str, object]) -> CodecCard:
    from dataclasses import replace

    return replace(card, settings=settings)


def test_crops_are_repeatable_scaled_and_inside(data: Path) -> None:
    pictures = Pictures.open(data)
    held_out, rest = pictures.split(4)
    assert (len(held_out.images), len(rest.images)) == (4, 16)
    assert not {id(each) for each in held_out.images} & {id(each) for each in rest.images}
    first, again = (rest.crops(np.random.default_rng(3), 5, 200) for _ in range(2))
    assert first.shape == (5, 3, 200, 200) and torch.equal(first, again)
    assert held_out.centre_crops(256).shape == (4, 3, 256, 256)
