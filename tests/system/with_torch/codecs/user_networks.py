"""Networks of a user's own, as the text of the module that a card names."""

MODELS = """
import torch
from torch import nn
from compressai.latent_codecs import GaussianConditionalLatentCodec
from compressai.latent_codecs import HyperLatentCodec, HyperpriorLatentCodec
from compressai.entropy_models import EntropyBottleneck
from compressai.models import MeanScaleHyperprior, SimpleVAECompressionModel
from compressai.models.video import ScaleSpaceFlow


class MyNet(MeanScaleHyperprior):
    def __init__(self, N=8, M=12):
        super().__init__(N, M)


class Latent(SimpleVAECompressionModel):
    '''Shapes in a table and a stride of 4.'''

    downsampling_factor = 4

    def __init__(self):
        super().__init__()
        self.g_a = nn.Conv2d(3, 6, 4, stride=4)
        self.g_s = nn.ConvTranspose2d(6, 3, 4, stride=4)
        self.latent_codec = HyperpriorLatentCodec(latent_codec={
            "hyper": HyperLatentCodec(
                entropy_bottleneck=EntropyBottleneck(5),
                h_a=nn.Conv2d(6, 5, 1), h_s=nn.Conv2d(5, 12, 1)),
            "y": GaussianConditionalLatentCodec(quantizer="noise", chunks=("scales", "means")),
        })


class ForwardOnly(nn.Module):
    def __init__(self, level=0.5):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))

    def forward(self, x):
        likelihood = torch.full_like(x[:, :1, ::8, ::8], 0.5)
        return {"x_hat": x * 0 + self.level, "likelihoods": {"y": likelihood}}


class Strange(ForwardOnly):
    def compress(self, x):
        return {"strings": [[b"a"]], "shape": {1, 2}}

    def decompress(self, strings, shape):
        return {"x_hat": torch.zeros(1, 3, 64, 64)}


def tiny_flow():
    return ScaleSpaceFlow(num_levels=2)


class Copy(nn.Module):
    '''Sends samples as they are, in steps; the point is told by argument, attribute or function.'''

    def __init__(self, level=1.0):
        super().__init__()
        self.level = nn.Parameter(torch.tensor(level))
        self.register_buffer("step", torch.tensor(1.0))
        self.tables = 0

    def update(self, force=False):
        if not force:
            raise RuntimeError("call update(force=True)")
        self.tables += 1

    def compress(self, x, step=None):
        step = self.step if step is None else step
        return {"strings": [packed(x, step)], "shape": x.shape[-2:], "time": {"enc": 0.25}}

    def decompress(self, strings, shape, step=None):
        step = self.step if step is None else step
        return {"x_hat": unpacked(strings[0], shape, step)}


def packed(x, step):
    return bytes((x * 255 / step).round().clamp(0, 255).byte().flatten().tolist())


def unpacked(data, shape, step):
    size = (-1, *shape)
    return torch.tensor(list(data)).reshape(size)[None].float() * step / 255


def set_step(network, value):
    network.step.fill_(float(value))


def force(network, times=1):
    for _ in range(times):
        network.update(force=True)


class Inherits(Copy):
    '''Has a from_state_dict that is another network's.'''

    @classmethod
    def from_state_dict(cls, state):
        return cls(state["g_a.0.weight"].size(0))


class NeedsGpu(Copy):
    def update(self, force=False):
        self.tables = torch.zeros(1, device="cuda")


class OnlyCodes(Copy):
    def forward(self, x):
        raise ValueError("for training")


class Bare(Copy):
    '''Bytes alone.'''

    def compress(self, x):
        return packed(x, 1)

    def decompress(self, data):
        return unpacked(data, (64, 64), 1)


class Pair(Copy):
    '''A tuple, nested lists, and a tensor instead of a table.'''

    def compress(self, x):
        return [[packed(x, 1)], [b"second", [b""]]], list(x.shape[-2:])

    def decompress(self, strings, shape):
        assert strings[1] == [b"second", [b""]] and shape == [64, 64], (strings, shape)
        return unpacked(strings[0][0], shape, 1)


class Needs(Copy):
    '''A third thing that the decoder needs: a mean, a name, a number below 0.'''

    def compress(self, x):
        return {**super().compress(x), "mean": x.mean(), "about": ("a", -3, None, 0.1, [1, 2])}

    def decompress(self, strings, shape, about, mean):
        assert about == ("a", -3, None, 0.1, [1, 2]), about
        assert mean.dtype == torch.float32 and mean.shape == ()
        return super().decompress(strings, shape)["x_hat"] * 0 + mean


class Gains(Copy):
    '''Output by a gain: 255 is another range, 1.3 an overshoot, 0/0 is NaN, 0 is whole, 2 two.'''

    def decompress(self, strings, shape, gain=1.0):
        x = super().decompress(strings, shape)["x_hat"]
        if gain == 2:
            return x, x * 0
        if gain == 0:
            return {"x_hat": (x * 255).byte()}
        return {"x_hat": (x - 0.5) / (gain + 1) * 0 / 0 if gain == -1 else x * gain}


class Loose(MyNet):
    def load_state_dict(self, state_dict, strict=True):
        return super().load_state_dict(state_dict, strict=False)


class Drops(ForwardOnly):
    '''Takes nothing of the checkpoint, in silence.'''

    def load_state_dict(self, state_dict, strict=True):
        return super().load_state_dict(self.state_dict())


class Endless(ForwardOnly):
    def forward(self, x):
        found = super().forward(x)
        return {**found, "likelihoods": {"y": found["likelihoods"] ["y"] * 0}}


class Stepwise(nn.Module):
    '''A frame at a time: differences to the frame before, which is the state.'''

    def __init__(self):
        super().__init__()
        self.level = nn.Parameter(torch.zeros(1))

    def encode(self, frame, state, q=1):
        parts = frame if isinstance(frame, tuple) else (frame,)
        state = state or [torch.zeros_like(one) for one in parts]
        coded = [((one - old) * 255).round().to(torch.int16) for one, old in zip(parts, state)]
        state = [old + one.float() / 255 for old, one in zip(state, coded)]
        shapes = [tuple(one.shape) for one in coded]
        return [[one.numpy().tobytes() for one in coded], shapes], state

    def decode(self, coded, state, q=1):
        import numpy as np

        found = [
            torch.from_numpy(np.frombuffer(data, np.int16).reshape(shape).astype(np.float32)) / 255
            for data, shape in zip(*coded)
        ]
        state = state or [torch.zeros_like(one) for one in found]
        state = [old + one for old, one in zip(state, found)]
        return (tuple(state) if len(state) == 2 else state[0]), state
"""
