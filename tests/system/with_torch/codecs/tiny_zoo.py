"""Small CompressAI networks for tests: random transforms with fitted entropy models."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from bench.cards import load_registry
from bench.codecs.foreign.network import find
from tests.pictures import picture

AUTOREGRESSIVE = ("cheng2020-anchor", "cheng2020-attn", "mbt2018")
IMAGE_ARCHITECTURES = (
    "bmshj2018-factorized",
    "bmshj2018-factorized-relu",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    *AUTOREGRESSIVE,
)
"""Cards of CompressAI's networks for pictures, of one kind of training."""


def network_class(card: str) -> Callable[..., nn.Module]:
    """What a card's network is built by."""
    made: Callable[..., nn.Module] = find(str(load_registry().codec(card).settings["model"]))
    return made


def tiny_model(architecture: str, seed: int = 0) -> nn.Module:
    """A network whose latents spread over several symbols and whose entropy model fits them, so
    that streams are long enough to compare with the likelihoods."""
    from compressai.models.base import get_scale_table

    torch.manual_seed(seed)
    model = network_class(architecture)(*((24,) if "cheng" in architecture else (8, 32)))
    x = torch.from_numpy(picture(128, 128, 99)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        _spread(_last_conv(model.g_a), model.g_a(x), 4.0)
        y = model.g_a(x)
        latent = y
        if hasattr(model, "h_a"):
            latent = model.h_a(y.abs() if architecture == "bmshj2018-hyperprior" else y)
            _spread(_last_conv(model.h_a), latent, 2.0)
            latent = model.h_a(y.abs() if architecture == "bmshj2018-hyperprior" else y)
            parameters = getattr(model, "entropy_parameters", model.h_s)
            last = _last_conv(parameters)
            last.weight *= 0.001
            last.bias.zero_()
            table = get_scale_table()
            rows = torch.bucketize(y.std((0, 2, 3)), table)
            # just below an entry of the table, to which coders round σ up
            channels = y.shape[1]
            last.bias[:channels] = 0.999 * table[rows]
            if len(last.bias) == 2 * channels:
                last.bias[channels:] = y.mean((0, 2, 3))
    _fit(model.entropy_bottleneck, latent)
    model.update(force=True, update_quantiles=True)
    return model.eval()


def _last_conv(module: nn.Module) -> nn.Module:
    return [each for each in module.children() if isinstance(each, nn.Conv2d)][-1]


def _spread(conv: nn.Module, output: Tensor, deviation: float) -> None:
    """Rescales the last convolution so that each channel has mean 0 and this deviation."""
    factor = deviation / output.std((0, 2, 3))
    conv.weight *= factor[:, None, None, None]
    conv.bias.copy_((conv.bias - output.mean((0, 2, 3))) * factor)


def _fit(bottleneck: nn.Module, latent: Tensor) -> None:
    own = [each for name, each in bottleneck.named_parameters() if name != "quantiles"]
    optimiser = torch.optim.Adam(own, 2e-2)
    for _ in range(150):
        optimiser.zero_grad()
        loss = -bottleneck(latent.detach(), training=True)[1].log2().mean()
        loss.backward()
        optimiser.step()
