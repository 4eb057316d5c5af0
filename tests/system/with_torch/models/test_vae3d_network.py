"""The network of ``vae3d`` before training: a transform codec with an exact prior."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from bench.learned.vae3d.network import FRAMES, LAMBDAS, Vae3d, block_deviations, block_transform
from bench.learned.vae3d.prior import SCALE_MIN, SCALE_STEP, Conditional, PriorWalk


def _network(seed: int = 0) -> Vae3d:
    torch.manual_seed(seed)
    return Vae3d(stem=4, hidden=8, latents=24)


def _clips(count: int = 2, size: int = 32) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 2, size // 16, size // 16, generator=generator)
    return torch.nn.functional.interpolate(
        coarse, (FRAMES, size, size), mode="trilinear", align_corners=True
    )


def test_the_transform_is_orthonormal() -> None:
    for matrix in block_transform():
        assert torch.allclose(matrix @ matrix.T, torch.eye(len(matrix)), atol=1e-6)


def test_deviations_find_the_one_wave_of_a_clip() -> None:
    # a gray cosine of 3 half-waves in each block of 16 columns, constant in time and rows
    wave = torch.cos(math.pi * 3 / 16 * (torch.arange(32) % 16 + 0.5)) / 4
    clips = (0.5 + wave).expand(1, 3, FRAMES, 32, 32)
    found = block_deviations(clips)
    assert torch.unravel_index(found.argmax(), found.shape)[3] == 3
    # energy 1/32 per sample of 3·7·16·16
    assert float(found.square().sum()) == pytest.approx(3 * 7 * 256 / 32, rel=1e-4)
    assert float(found.max() ** 2 / found.square().sum()) == pytest.approx(1, rel=1e-4)


def test_it_starts_as_the_transform_and_its_inverse() -> None:
    network, x = _network().eval(), _clips()
    network.start_from(block_deviations(x))
    with torch.no_grad():
        mean, _ = network.posterior(x, torch.tensor([3, 3]))
        back = network.generate(mean, torch.tensor([3, 3]))
    # what 24 of 5376 coefficients keep of soft clips
    assert float((back - x).square().mean()) < 0.1 * float((x - 0.5).square().mean())


def test_gaussian_divergence_and_cell_mass() -> None:
    prior = Conditional(torch.tensor(1.0), torch.tensor(2.0).log())
    found = prior.divergence(torch.tensor(0.0), torch.tensor(0.5).log())
    # log2(2 / 0.5) + ((0.5² + 1²) / 2² − 1) / (2 ln 2)
    assert float(found) == pytest.approx(2 + (1.25 / 4 - 1) / (2 * math.log(2)), rel=1e-6)
    # mass of N(1, 2²) between 0.5 and 1.5 is erf(0.25 / √2)
    assert float(prior.bits(torch.tensor(1.0))) == pytest.approx(-math.log2(0.1974127), rel=1e-5)


def test_the_divergence_of_equal_gaussians_is_zero() -> None:
    normal = Conditional(torch.tensor(0.3), torch.tensor(-0.7))
    found = float(normal.divergence(torch.tensor(0.3), torch.tensor(-0.7)))
    assert found == pytest.approx(0, abs=1e-6)  # of float32: machines differ in exp()


@pytest.mark.parametrize("point", [0, len(LAMBDAS) - 1])
def test_the_walk_is_the_parallel_prior(point: int) -> None:
    """Also proves that no element sees itself or a later one."""
    network = _network().eval()
    with torch.no_grad():
        for each in network.prior.parameters():
            each.add_(0.1 * torch.randn_like(each))
    z = torch.randint(-3, 4, (3, 24, 4, 5))
    with torch.no_grad():
        expected = network.conditional(z.float(), torch.full((3,), point), coded=True)
    means = (8 * expected.mean).numpy()
    levels = ((expected.log_scale - math.log(SCALE_MIN)) / SCALE_STEP).numpy()
    known = np.zeros(z.shape, np.int64)
    walk = PriorWalk(network.prior, network.inverse_gain, point)
    for step in walk.steps(known):
        np.testing.assert_array_equal(step.means, means[step.place])
        np.testing.assert_array_equal(step.levels, np.rint(levels[step.place]))
        known[step.place] = z.numpy()[step.place]
    np.testing.assert_array_equal(known, z.numpy())
    assert len(np.unique(levels)) > 20


def test_a_sampled_item_has_a_divergence_and_a_quantised_one_a_likelihood() -> None:
    network, x = _network(), _clips()
    point = torch.tensor([2, 2])
    sampled = network(x, point, torch.tensor([False, False]))
    mixed = network(x, point, torch.tensor([False, True]))
    assert mixed.bits[0].item() == pytest.approx(sampled.bits[0].item(), rel=0.2)
    assert mixed.bits[1].item() != pytest.approx(sampled.bits[1].item(), rel=0.01)
    assert mixed.clips.shape == x.shape


def test_every_parameter_is_in_the_loss() -> None:
    network, x = _network(), _clips()
    point = torch.tensor([0, 5])
    elbo = network(x, point, torch.tensor([True, False]))
    (elbo.bits.sum() + (elbo.clips - x).square().sum()).backward()
    assert not [name for name, each in network.named_parameters() if each.grad is None]


def test_rate_and_quality_rise_with_lambda() -> None:
    network, x = _network().eval(), _clips()
    network.start_from(block_deviations(x))
    bits, errors = [], []
    for place in range(len(LAMBDAS)):
        point = torch.full((2,), place)
        with torch.no_grad():
            elbo = network(x, point, torch.tensor([True, True]))
        bits.append(float(elbo.bits.sum()))
        errors.append(float((elbo.clips - x).square().mean()))
    assert bits == sorted(bits) and errors == sorted(errors, reverse=True)
    assert bits[-1] > 2 * bits[0]


def test_the_energy_of_a_step_is_what_the_linear_decoder_makes_of_it() -> None:
    network, point = _network(), torch.tensor([3, 9])
    with torch.no_grad():
        network.inverse_gain.uniform_(0.5, 2)
        network.decoder.linear.weight.mul_(1.5)
        for channel in (0, 17, network.latents - 1):
            z = torch.zeros(2, network.latents, 2, 3)
            before = network.generate(z, point)
            z[:, channel, 1, 2] = 1
            found = (network.generate(z, point) - before).square().sum((1, 2, 3, 4))
            torch.testing.assert_close(found, network.step_energy(point)[:, channel, 0, 0])
