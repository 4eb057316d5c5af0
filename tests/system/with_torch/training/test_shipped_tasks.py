"""The training tasks of this project's own small networks, a few steps each, through the loop."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest

from bench.cards import load_registry
from bench.codecs.support.weights import load_into, load_weights, weights_path
from bench.datasets.cifar import read_cifar
from bench.entropy.trellis import read_designs
from bench.learned.training.request import TrainRequest, train
from tests.cards import changed_card
from tests.design_trellis import design_for_rate


def test_the_gaussian_autoencoder_trains_towards_the_naive_scheme(tmp_path):
    from bench.learned.gaussian_ae.network import GaussianAutoencoder

    card = changed_card(tmp_path, "gaussian-ae")
    said = train(card, TrainRequest(part="d50", steps=400, work=tmp_path / "work"))
    mse = float(said.rsplit(" ", 1)[1])
    assert 0.45 < mse < 0.8
    model = GaussianAutoencoder(50)
    load_into(model, load_weights(card, "d50"), weights_path(card, "d50"))


@pytest.mark.parametrize("part", ["ssim", pytest.param("mse", marks=pytest.mark.nightly)])
def test_the_cifar_vae_trains_and_normalises_its_latents(tmp_path, drawn_data, part):
    import torch

    from bench.learned.cifar_vae.network import CifarVae

    card = changed_card(tmp_path, "cifar-vae")
    request = TrainRequest(part=part, steps=3, work=tmp_path / "work", data=drawn_data)
    assert "ssim_uniform_3bit" in train(card, request)
    model = CifarVae()
    load_into(model, load_weights(card, part), weights_path(card, part))
    pixels = read_cifar([drawn_data], "train").pixels[:200]
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        latents = model.eval().analyse(x)
    assert abs(float(latents.mean())) < 0.1 and float(latents.std()) == pytest.approx(1, abs=0.1)


def test_the_modules_that_made_the_weights_are_there():
    """What a model card names as its command can be run again."""
    commands = {
        json.loads(path.read_text())["command"]
        for path in load_registry().codec("ectcq").folder.glob("weights/*/*.json")
    }
    assert "python -m tests.design_trellis" in commands
    for command in commands:
        python, option, module, *_ = command.split()
        assert (python, option) == ("python", "-m") and find_spec(module) is not None, command


def test_a_design_meets_its_rate_and_survives_its_tensors():
    samples = np.random.default_rng(0).standard_normal(20_000)
    code, weight, entropy = design_for_rate(samples, 8, 2.0, rounds=4)
    assert entropy == pytest.approx(2.0, abs=0.05)
    tensors = {
        "2.0.levels": code.levels,
        "2.0.probabilities": code.probabilities,
        "2.0.about": np.array([8, weight]),
    }
    ((rate, (again, kept)),) = read_designs(tensors).items()
    assert rate == 2.0 and kept == weight and np.array_equal(again.levels, code.levels)
