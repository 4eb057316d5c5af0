"""Entropy models of quantised latents: a factorised prior, and Gaussians of a mean and a scale each
(Ballé et al. 2018, "Variational image compression with a scale hyperprior"). Names, coding tables
and likelihoods are CompressAI's. Writes no stream.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import torch
from scipy.special import ndtri
from torch import Tensor, nn
from torch.nn import functional as F

from bench.entropy.rans import Tables, quantised_cdf
from bench.learned.shared.layers import LowerBound

COMPATIBLE = {"compressai": "1.2.8"}
"""The release whose tables, streams and likelihoods these are. It stands among a codec's versions,
and so in the fingerprint of its records, as when that release coded."""
TABLES = ("_offset", "_quantized_cdf", "_cdf_length")
"""Names of coding tables in a network's state."""
_LEAST_LIKELIHOOD = 1e-9
_TAIL_MASS = 1e-9
"""Probability of all values outside a table."""
_SEARCHED = 1e5
"""Quantiles lie between this and its negative."""


def with_noise(x: Tensor) -> Tensor:
    """What stands in for rounding in the rate of training."""
    return x + torch.empty_like(x).uniform_(-0.5, 0.5)


class EntropyModel(nn.Module):
    """Coding tables, empty until they are built or loaded, and the least likelihood."""

    _offset: Tensor
    _quantized_cdf: Tensor
    _cdf_length: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.likelihood_lower_bound = LowerBound(_LEAST_LIKELIHOOD)
        for name in TABLES:
            self.register_buffer(name, torch.empty(0, dtype=torch.int32))

    @property
    def tables(self) -> Tables:
        """The coding tables, a row for each channel or scale."""
        parts = (self._quantized_cdf, self._cdf_length, self._offset)
        return Tables(*(each.cpu().numpy() for each in parts))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        for name in TABLES:
            table, found = getattr(self, name), state.get(prefix + name)
            if found is not None and not table.numel():
                setattr(self, name, table.new_empty(found.shape))
        super()._load_from_state_dict(state, prefix, *others)

    def _build(self, shares: Iterable[Tensor], lengths: Tensor, offset: Tensor) -> None:
        """Makes the tables of the shares of each row's symbols and of what is outside them."""
        self._offset, self._cdf_length = offset, lengths + 2
        cumulative = offset.new_zeros(len(lengths), int(self._cdf_length.max()))
        for row, each in zip(cumulative, shares, strict=True):
            found = quantised_cdf(each.cpu().numpy())
            row[: len(found)] = torch.from_numpy(found)
        self._quantized_cdf = cumulative


class EntropyBottleneck(EntropyModel):
    """A learned distribution of the values of each channel, around 0 (the paper's appendix 6.1)."""

    target: Tensor

    def __init__(self, channels: int, *, init_scale: float, filters: Sequence[int] = (3,) * 4):
        super().__init__()
        sizes, scale = (1, *filters, 1), init_scale ** (1 / (len(filters) + 1))
        self.matrices, self.biases, self.factors = (nn.ParameterList() for _ in range(3))
        for inputs, outputs in pairwise(sizes):
            start = math.log(math.expm1(1 / scale / outputs))
            self.matrices.append(nn.Parameter(torch.full((channels, outputs, inputs), start)))
            bias = nn.init.uniform_(torch.empty(channels, outputs, 1), -0.5, 0.5)
            self.biases.append(nn.Parameter(bias))
            if len(self.factors) < len(filters):
                self.factors.append(nn.Parameter(torch.zeros(channels, outputs, 1)))
        ends = torch.tensor([-float(init_scale), 0.0, float(init_scale)])
        self.quantiles = nn.Parameter(ends.repeat(channels, 1, 1))
        target = math.log(2 / _TAIL_MASS - 1)
        self.register_buffer("target", torch.tensor([-target, 0.0, target]))

    def forward(self, x: Tensor, rounding: Callable[[Tensor], Tensor]) -> Tensor:
        """Likelihoods of values ``(B, C, …)`` after ``rounding``, of the same shape."""
        by_channel = x.transpose(0, 1).contiguous()
        rounded = rounding(by_channel.reshape(len(by_channel), 1, -1))
        lower, upper = self._ends(rounded)
        found = torch.sigmoid(upper) - torch.sigmoid(lower)
        likelihoods: Tensor = self.likelihood_lower_bound(found)
        return likelihoods.reshape(by_channel.shape).transpose(0, 1).contiguous()

    def symbols(self, x: Tensor) -> Tensor:
        """What is coded, int32."""
        return x.round().int()

    @torch.no_grad()
    def finalise(self) -> None:
        """Searches the ends of the tables and builds them."""
        self.quantiles[:, :, 1] = 0
        for place in (0, 2):
            self.quantiles[:, :, place] = self._quantile(self.target[place])
        ends = self.quantiles[:, 0]
        low, high = (torch.ceil(end).int().clamp(min=0) for end in (-ends[:, 0], ends[:, 2]))
        lengths = low + high + 1
        places = torch.arange(int(lengths.max()), device=low.device)
        lower, upper = self._ends(places - low[:, None, None].to(ends))
        shares = (torch.sigmoid(upper) - torch.sigmoid(lower))[:, 0]
        tails = torch.sigmoid(lower[:, 0, :1]) + torch.sigmoid(-upper[:, 0, -1:])
        rows = zip(shares, lengths.tolist(), tails, strict=True)
        self._build((torch.cat([row[:n], tail]) for row, n, tail in rows), lengths, -low)

    def _ends(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the cumulative at the ends of the cells around x ``(C, 1, n)``."""
        return self._logits(x - 0.5), self._logits(x + 0.5)

    def _logits(self, x: Tensor) -> Tensor:
        last = len(self.factors)
        for layer, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(F.softplus(matrix), x) + bias
            if layer < last:
                x = x + torch.tanh(self.factors[layer]) * torch.tanh(x)
        return x

    def _quantile(self, target: Tensor) -> Tensor:
        """Where the logits ``(C, 1)`` reach the target, by bisection."""
        low = self.quantiles.new_full((len(self.quantiles), 1, 1), -_SEARCHED)
        high = -low
        low = torch.where(target <= self._logits(high), low, high)
        high = torch.where(self._logits(low) <= target, high, low)
        while not torch.isclose(low, high, rtol=1e-4, atol=1e-3).all():
            middle = (low + high) / 2
            found = self._logits(middle)
            low = torch.where(found <= target, middle, low)
            high = torch.where(found >= target, middle, high)
        return ((low + high) / 2)[..., 0]


class GaussianConditional(EntropyModel):
    """Gaussians whose scales are coded as the rows of a table."""

    scale_table: Tensor

    def __init__(self, scales: Sequence[float], *, scale_bound: float = 0.11) -> None:
        super().__init__()
        self.lower_bound_scale = LowerBound(scale_bound)
        self.register_buffer("scale_table", torch.tensor(scales))
        self.register_buffer("scale_bound", torch.tensor([scale_bound]))

    def forward(self, x: Tensor, scales: Tensor, means: Tensor) -> Tensor:
        """Likelihoods of x, with noise in the place of rounding in training, else rounded to whole
        steps from its mean."""
        rounded = with_noise(x) if self.training else torch.round(x - means) + means
        return self.likelihood(rounded - means, scales)

    def likelihood(self, distance: Tensor, scales: Tensor) -> Tensor:
        """Of values at a distance from their mean."""
        far, scales = distance.abs(), self.lower_bound_scale(scales)
        inside = _cumulative((0.5 - far) / scales) - _cumulative((-0.5 - far) / scales)
        bounded: Tensor = self.likelihood_lower_bound(inside)
        return bounded

    @torch.no_grad()
    def finalise(self) -> None:
        """Builds the tables of the scales."""
        scales = self.scale_table
        middle = torch.ceil(scales * -float(ndtri(_TAIL_MASS / 2))).int()
        lengths = 2 * middle + 1
        places = torch.arange(int(lengths.max()), device=middle.device)
        far = (places - middle[:, None]).abs().float()
        # float32 quotients, also where the tables are computed in float64
        ends = ((side - far) / scales[:, None].float() for side in (-0.5, 0.5))
        lower, upper = (_cumulative(end.to(scales)) for end in ends)
        shares = upper - lower
        rows = zip(shares, lengths.tolist(), 2 * lower[:, :1], strict=True)
        self._build((torch.cat([row[:n], tail]) for row, n, tail in rows), lengths, -middle)


def _cumulative(x: Tensor) -> Tensor:
    """Of the standard Gaussian; the complementary error function keeps small values precise."""
    return 0.5 * torch.erfc(-(2**-0.5) * x)
