"""Networks of shifted channels: which frames they see, and where the paper's stands."""

import torch

from bench.learned.qcae.network import LATENTS, NETWORKS, Blocks, QuantisedAutoencoder, Samples
from bench.learned.qcae.temporal_shift import ShiftNetwork, shift


def test_a_quarter_of_the_channels_comes_from_each_neighbour() -> None:
    x = torch.arange(1.0, 25.0).view(6, 4, 1, 1)  # two clips of three frames
    moved = shift(x, 3).view(2, 3, 4)
    frames = x.view(2, 3, 4)
    assert torch.equal(moved[:, :2, 0], frames[:, 1:, 0]) and not moved[:, 2, 0].any()
    assert torch.equal(moved[:, 1:, 1], frames[:, :2, 1]) and not moved[:, 0, 1].any()
    assert torch.equal(moved[:, :, 2:], frames[:, :, 2:])


def test_a_network_sees_as_many_frames_as_it_has_blocks_and_no_other_clip() -> None:
    torch.manual_seed(0)
    network = ShiftNetwork(1, 8, 1, blocks=2).double()
    x = torch.zeros(2, 1, 7, 4, 4, dtype=torch.float64, requires_grad=True)
    (seen,) = torch.autograd.grad(network(x, torch.zeros(2).long())[0, 0, 3].sum(), x)
    assert [bool(frame.any()) for frame in seen[0, 0]] == [False] + [True] * 5 + [False]
    assert not seen[1].any()


def test_blocks_and_samples_are_inverses() -> None:
    clips = torch.randn(2, 1, 3, 8, 12)
    blocks = Blocks()(clips)
    assert blocks.shape == (2, 16, 3, 2, 3)
    assert torch.equal(Samples()(blocks), clips)


def test_every_network_has_the_paper_s_bottleneck() -> None:
    clips, which = torch.rand(1, 1, 2, 8, 8), torch.zeros(1, dtype=torch.long)
    for network in NETWORKS:
        coded = QuantisedAutoencoder((8,), network=network).arrange()(clips, which)
        assert coded.indices.shape == (1, LATENTS, 2, 2, 2)
        assert coded.clip.shape == clips.shape
