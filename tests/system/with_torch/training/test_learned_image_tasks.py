"""The training tasks of the learned image codecs, a few steps each, from card to coded picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from bench.cards import CodecCard, load_registry
from bench.codecs.support import weights
from bench.errors import Unavailable, UsageError
from bench.learned.hyperprior.codec import Hyperprior
from bench.learned.hyperprior.network import GainedHyperprior
from bench.learned.hyperprior.task import trade_off
from bench.learned.training.pictures import Pictures
from bench.learned.training.request import TrainRequest, train
from bench.learned.training.settings import read_recipe
from bench.learned.training.task import TrainingContext
from bench.learned.vqvae2.codec import VqVae2Codec
from bench.learned.vqvae2.network import VqVae2
from bench.learned.vqvae2.prior_coder import prior_name
from bench.learned.vqvae2.prior_task import PriorTask
from bench.learned.vqvae2.task import VqVae2Task
from bench.records import Point
from bench.signals import image
from tests.cards import changed_card


@pytest.fixture
def data(drawn_data: Path) -> Path:
    return drawn_data


def test_the_hyperprior_learns_and_codes(tmp_path: Path, data: Path) -> None:
    card = changed_card(tmp_path, "hyperprior", ("crop = 128", "crop = 64"))
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


@pytest.mark.nightly
def test_vqvae2_and_its_priors_train_one_after_the_other(tmp_path: Path, data: Path) -> None:
    card = changed_card(
        tmp_path,
        "vqvae2-512",
        ("codes = 512", "codes = 16"),
        ("dim = 64", "dim = 8"),
        ("crop = 128", "crop = 32"),
        ("batch = 8", "batch = 2"),
        ("window = 32, pieces = 600", "window = 8, pieces = 3"),
        ("window = 64, pieces = 600", "window = 64, pieces = 3"),
    )
    request = {"work": tmp_path / "work", "data": data, "threads": 1}
    with pytest.raises(Unavailable, match="python -m bench train vqvae2-512"):
        train(card, TrainRequest(part="pixelsnail-indices-top", steps=1, **request))
    assert "bpp_order0" in train(card, TrainRequest(steps=3, **request))
    registry_card = load_registry().codec("vqvae2-512")
    kinds = ("pixelsnail-indices", "pixelsnail-vectors", "transformer")
    parts = {f"{kind}-{level}" for kind in kinds for level in ("top", "bottom")}
    assert set(registry_card.training["parts"]) == parts
    pixels = np.asarray(Image.open(data / "train" / "images" / "03.png"))[:40, :48]
    plain = _coded(card, pixels, coder="fixed")
    for kind in ({"coder": "pixelsnail", "input": "vectors"}, {"coder": "transformer"}):
        for level in ("top", "bottom"):
            part = prior_name(kind["coder"], "vectors", level)
            work = tmp_path / part
            said = train(card, TrainRequest(part=part, steps=1, work=work, data=data, threads=1))
            assert "bpp" in said
        assert _coded(card, pixels, **kind).tobytes() == plain.tobytes()


def _coded(card: CodecCard, pixels: np.ndarray, **changes: str) -> np.ndarray:
    codec = VqVae2Codec(replace(card, settings={**card.settings, **changes}))
    return codec.decode(codec.encode(image(pixels), Point("mode", "only")).payload).array()


def test_a_prior_starts_from_the_frequencies_and_sees_aligned_windows(
    tmp_path: Path, data: Path
) -> None:
    card = changed_card(
        tmp_path, "vqvae2-512", ("window = 32, pieces = 600", "window = 8, pieces = 3")
    )
    torch.manual_seed(0)
    weights.save_weights(
        weights.weights_path(card).parent, "vqvae2-512", "model",
        VqVae2(512, 64).state_dict(), precision="float16",
    )  # fmt: skip
    recipe = read_recipe(card, part="pixelsnail-vectors-bottom")
    task = PriorTask(TrainingContext(recipe, torch.device("cpu"), data, tmp_path))
    again = PriorTask(TrainingContext(recipe, torch.device("cpu"), data, tmp_path))
    fresh = PriorTask(TrainingContext(recipe, torch.device("cpu"), data))
    for other in (again, fresh):
        assert torch.equal(task.maps.bottom, other.maps.bottom)
        assert torch.equal(task.held_out.top, other.held_out.top)
    assert len(list(tmp_path.glob("indices-*.safetensors"))) == 1
    assert torch.equal(task.model.input.weight, task.model.input.weight.half().float())
    counts = torch.bincount(task.maps.bottom.flatten().long(), minlength=512)
    assert int(task.model.head.bias.argmax()) == int(counts.argmax())
    bottom, top = task.batch(0, np.random.default_rng(0))
    assert bottom.shape == (8, 8, 8) and top.shape == (8, 4, 4)
    rng = np.random.default_rng(0)
    piece = int(rng.integers(3, size=8)[0])
    row, column = (int(each[0]) for each in rng.integers(29, size=(2, 8)))
    assert torch.equal(top[0], task.maps.top[piece, row : row + 4, column : column + 4].long())
    window = task.maps.bottom[piece, 2 * row : 2 * row + 8, 2 * column : 2 * column + 8]
    assert torch.equal(bottom[0], window.long())


def test_a_network_of_smaller_codebooks_is_a_start(tmp_path: Path, data: Path) -> None:
    card = changed_card(
        tmp_path, "vqvae2-512", ("codes = 512", "codes = 40"), ("dim = 64", "dim = 12")
    )
    task = VqVae2Task(TrainingContext(read_recipe(card), torch.device("cpu"), data))
    torch.manual_seed(5)
    small = VqVae2(16, 8).eval()
    with torch.no_grad():  # codebooks among the outputs, so that no code is always nearest
        for codebook in (small.codebook_top, small.codebook_bottom):
            codebook.vectors.mul_(0.1)
    task.load(small.state_dict())
    x = Pictures.open(data).crops(np.random.default_rng(0), 2, 64).float() / 255
    with torch.no_grad():
        top = task.model.eval().encode(x)[0] % 16
        expected = small(x)
        # the same codes or their neighbours, and with the codes the same picture
        assert (top == expected.top.indices).float().mean() > 0.8
        again = small.decode(expected.top.indices, expected.bottom.indices)
        found = task.model.decode(expected.top.indices, expected.bottom.indices)
    np.testing.assert_allclose(found, again, atol=1e-5)
    with pytest.raises(UsageError, match="another architecture to start from"):
        task.load(VqVae2(64, 8).state_dict())
    with pytest.raises(UsageError, match="another architecture to start from"):
        task.load({"foreign": torch.zeros(3)})


def test_crops_are_repeatable_scaled_and_inside(data: Path) -> None:
    pictures = Pictures.open(data)
    held_out, rest = pictures.split(4)
    assert (len(held_out.images), len(rest.images)) == (4, 16)
    assert not {id(each) for each in held_out.images} & {id(each) for each in rest.images}
    first, again = (rest.crops(np.random.default_rng(3), 5, 200) for _ in range(2))
    assert first.shape == (5, 3, 200, 200) and torch.equal(first, again)
    assert held_out.centre_crops(256).shape == (4, 3, 256, 256)
