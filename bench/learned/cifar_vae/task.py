"""The training task of codec ``cifar-vae``: distortion, KL divergence and shape of the means."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bench.datasets.cifar import read_cifar
from bench.entropy.quantise import lloyd_max_for, uniform_interval
from bench.learned.cifar_vae.network import LATENT, CifarVae
from bench.learned.shared.constants import on_device
from bench.learned.training.data import data_root, to_unit
from bench.learned.training.task import Losses, TaskBase, TrainingContext

_VALIDATION_IMAGES = 1000
_WINDOW, _WINDOW_DEVIATION = 11, 1.5


class CifarVaeTask(TaskBase[Tensor]):
    """Minimises ``weight · distortion + beta · KL + match · mismatch``, both per latent; distortion
    by ``loss``: ``ssim`` (1 − SSIM) or ``mse``. The KL term alone leaves heavy-tailed means, for
    which a Lloyd–Max quantiser of N(0, 1) is not optimal; the mismatch term shapes them.
    The last 1,000 training images are held out for validation."""

    model: CifarVae

    def __init__(self, context: TrainingContext) -> None:
        super().__init__(context)
        images = read_cifar([data_root(context.data)], "train")
        pixels = torch.from_numpy(images.pixels).permute(0, 3, 1, 2)
        self.pixels = pixels[:-_VALIDATION_IMAGES]
        self.held_out = pixels[-_VALIDATION_IMAGES:]
        self._digest = images.digest
        self.model = CifarVae(context.options.whole("width", 48))
        self.model.to(memory_format=torch.channels_last)
        self.beta = context.options.number("beta")
        self.weight = context.options.number("weight", 1.0)
        self.match = context.options.number("match", 0.0)

    def batch(self, step: int, rng: np.random.Generator) -> Tensor:
        places = rng.integers(len(self.pixels), size=self.settings.batch)
        chosen = self.pixels[torch.from_numpy(places)]
        mirrored = torch.from_numpy(rng.random(len(chosen)) < 0.5)
        chosen = torch.where(mirrored[:, None, None, None], chosen.flip(3), chosen)
        return chosen.contiguous(memory_format=torch.channels_last)

    def loss(self, batch: Tensor, step: int) -> Losses:
        x = to_unit(batch)
        mean, log_variance = self.model.posterior(x)
        z = mean + torch.randn_like(mean) * (0.5 * log_variance).exp()
        decoded = self.model.reconstruct(z)
        kl = kl_to_standard_normal(mean, log_variance)
        distortion = self._distortion(decoded, x)
        mismatch = marginal_mismatch(mean)
        total = self.weight * distortion + self.beta * kl + self.match * mismatch
        parts = {
            self.settings.loss: distortion.detach(),
            "kl": kl.detach(),
            "variance": log_variance.detach().exp().mean(),
            "mismatch": mismatch.detach(),
        }
        return Losses(total, parts)

    def _distortion(self, decoded: Tensor, x: Tensor) -> Tensor:
        if self.settings.loss == "ssim":
            return 1 - mean_ssim(decoded, x)
        return functional.mse_loss(decoded, x)

    def validate(self) -> Mapping[str, float]:
        """SSIM and MSE on [0, 1] of the held-out images, not quantised and at 3 bits."""
        x = to_unit(self.held_out).to(self.context.device)
        self.normalise()
        latent = self.model.analyse(x)
        figures = {}
        samples = latent.cpu().double().numpy()
        variants = {"": latent}
        quantisers = {"lloyd": lloyd_max_for("gaussian", 3), "uniform": uniform_interval(3, -3, 3)}
        for name, quantiser in quantisers.items():
            coarse = quantiser.levels[quantiser.indices(samples)]
            variants[f"_{name}_3bit"] = torch.from_numpy(coarse).to(latent)
        for name, each in variants.items():
            decoded = self.model.synthesise(each)
            figures[f"ssim{name}"] = float(mean_ssim(decoded, x))
            figures[f"mse{name}"] = float(functional.mse_loss(decoded, x))
        return figures

    @torch.no_grad()
    def normalise(self) -> None:
        """Sets ``shift`` and ``scale`` from 8,000 training images, one pair per channel: the
        convolution makes all positions of a channel alike."""
        parts = torch.split(self.pixels[:8000], 500)
        means = torch.cat(
            [self.model.posterior(to_unit(p).to(self.context.device))[0] for p in parts]
        )
        shift = means.mean(dim=(0, 2, 3)).view(-1, 1, 1)
        scale = means.std(dim=(0, 2, 3)).view(-1, 1, 1).clamp_min(1e-3)
        self.model.shift.copy_(shift.expand(LATENT))
        self.model.scale.copy_(scale.expand(LATENT))

    def export(self) -> Mapping[str, Tensor]:
        self.normalise()
        return self.model.state_dict()

    def data_digest(self) -> str:
        return self._digest


def kl_to_standard_normal(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)) in nats, mean over the latents (Kingma & Welling,
    appendix B)."""
    return 0.5 * torch.mean(mean**2 + log_variance.exp() - log_variance - 1)


def marginal_mismatch(mean: Tensor) -> Tensor:
    """Squared 2-Wasserstein distance of the means of a batch from N(0, 1), mean over channels."""
    values, _ = mean.transpose(0, 1).flatten(1).sort(dim=1)
    count = values.shape[1]
    levels = (torch.arange(count, device=mean.device) + 0.5) / count
    return torch.mean((values - torch.special.ndtri(levels)) ** 2)


@on_device
def _ssim_window(channels: int) -> Tensor:
    """Wang et al.'s window for each channel, which pytorch-msssim would make anew on every call."""
    place = torch.arange(_WINDOW) - _WINDOW // 2
    weights = torch.exp(-(place**2) / (2 * _WINDOW_DEVIATION**2))
    return (weights / weights.sum()).repeat(channels, 1, 1, 1)


def mean_ssim(decoded: Tensor, reference: Tensor) -> Tensor:
    """SSIM of Wang et al. on [0, 1], mean over batch and channels, in float32."""
    from pytorch_msssim import ssim

    window = _ssim_window(reference.device, reference.shape[1])
    with torch.autocast(reference.device.type, enabled=False):
        out: Tensor = ssim(decoded.float(), reference.float(), data_range=1.0, win=window)
    return out
