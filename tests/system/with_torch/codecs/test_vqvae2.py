"""Codec ``vqvae2`` with a random network: exact indices, whatever the entropy coder."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import CodecCard
from bench.codecs.support import weights
from bench.codecs.support.tensors import Geometry, to_tensor
from bench.errors import BitstreamError, CardError, Unavailable
from bench.learned.vqvae2.codec import VqVae2Codec
from bench.learned.vqvae2.network import Codebook, VqVae2
from bench.learned.vqvae2.prior_coder import LEVELS, build_prior, prior_name
from bench.records import Point
from bench.signals import image
from tests.agreement import assert_rounded_alike
from tests.pictures import picture

pytestmark = pytest.mark.usefixtures("one_thread")

ONLY = Point("mode", "only")
CODERS = ("fixed", "zlib", "adaptive", "pixelsnail", "transformer")


@cache
def _network() -> VqVae2:
    torch.manual_seed(0)
    network = VqVae2(32, 8, learning=True)
    with torch.no_grad():  # the codebooks start among the encoder's outputs
        network.train()(to_tensor(picture(128, 128, 5), 8))
    return network.eval()


def _card(folder: Path, **changes: object) -> CodecCard:
    values = {"codes": 32, "dim": 8, "coder": "adaptive", "tiling": "whole", **changes}
    return CodecCard(
        "vqvae2", folder / "vqvae2.toml", "", "", ("image",), settings=values, ladder=(ONLY,)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codecs")
    kept = ("counts", "sums", "recent", "started")
    state = {k: v for k, v in _network().state_dict().items() if not k.endswith(kept)}
    weights.save_weights(
        folder / "weights" / "vqvae2", "vqvae2", "model", state, precision="float32"
    )
    for kind in (("pixelsnail", "indices"), ("pixelsnail", "vectors"), ("transformer", "indices")):
        for level in LEVELS:
            torch.manual_seed(1)
            prior = build_prior({"codes": 32, "dim": 8}, *kind, level)
            weights.save_weights(
                folder / "weights" / "vqvae2",
                "vqvae2",
                prior_name(*kind, level),
                prior.state_dict(),
                precision="float16",
            )
    return folder


@pytest.mark.parametrize(
    ("coder", "tiling"),
    [(coder, "whole") for coder in CODERS] + [("fixed", "patches"), ("adaptive", "patches")],
)
def test_decode_equals_the_forward_pass(folder: Path, coder: str, tiling: str) -> None:
    codec = VqVae2Codec(_card(folder, coder=coder, tiling=tiling))
    pixels = picture(100, 260)
    encoded = codec.encode(image(pixels), ONLY)
    decoded = codec.decode(encoded.payload).array()[0]
    x = to_tensor(pixels, 8 if tiling == "whole" else 256)
    pieces = [x] if tiling == "whole" else [x[..., :256], x[..., 256:]]
    with torch.no_grad():
        forward = torch.cat([_network()(piece).picture for piece in pieces], -1)
    expected = (forward[0, :, :100, :260].clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    # the forward pass reaches a code as x + (code − x), and pieces one after the other
    assert_rounded_alike(decoded, expected.numpy())


@pytest.mark.parametrize("tiling", ["whole", "patches"])
def test_refined_codes_decode_to_a_closer_picture(
    folder: Path, tiling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_go(monkeypatch)
    pixels = picture(40, 260)
    errors = []
    for steps in (0, 10):
        codec = VqVae2Codec(_card(folder, tiling=tiling, refine=steps))
        decoded = codec.decode(codec.encode(image(pixels), ONLY).payload).array()[0]
        errors.append(np.mean((decoded - pixels.astype(float)) ** 2))
    # the decoder of a random network can do little; rounding errors are 10⁻⁶ of it
    assert errors[1] < 0.999 * errors[0]


def _let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture alone counts: of a random network it is worth little beside the rest."""
    for name in ("_HOLD", "_COMMITMENT"):
        monkeypatch.setattr(f"bench.learned.vqvae2.codec.{name}", 0.0)


def test_codes_are_held_to_those_of_the_network(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _let_go(monkeypatch)
    pixels, changed = picture(64, 64), []
    x = to_tensor(pixels, 8)
    for hold in (0.0, 1e9):
        monkeypatch.setattr("bench.learned.vqvae2.codec._HOLD", hold)
        codec = VqVae2Codec(_card(folder, refine=100))
        found = codec._refined_codes(x, Geometry.of(image(pixels).layout))
        own = codec._codes(x)
        changed.append(sum(int((a != b).sum()) for a, b in zip(found, own, strict=True)))
    assert changed[0] > 50 and changed[1] < 0.1 * changed[0]


def test_codes_of_the_padding_do_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the second piece only the first column is of the picture."""
    slopes: list[torch.Tensor] = []

    def watched(
        latents: Sequence[torch.Tensor],
        reaches: Sequence[float],
        steps: int,
        cost: Callable[[Sequence[torch.Tensor], float], torch.Tensor],
    ) -> list[torch.Tensor]:
        moving = [latent.clone().requires_grad_() for latent in latents]
        slopes.extend(torch.autograd.grad(cost(moving, 0.0), moving))
        return list(latents)

    _let_go(monkeypatch)
    monkeypatch.setattr("bench.learned.vqvae2.codec.refined", watched)
    codec = VqVae2Codec(_card(folder, tiling="patches", coder="fixed", refine=1))
    codec.encode(image(picture(256, 257)), ONLY)
    bottom = slopes[1]
    assert bottom.shape[0] == 2 and bottom[0, ..., -1].any()
    assert bottom[1, ..., 0].any() and not bottom[1, ..., -1].any()


def test_fixed_length_rate_is_what_the_report_computes(folder: Path) -> None:
    encoded = VqVae2Codec(_card(folder, coder="fixed")).encode(image(picture(256, 256)), ONLY)
    # 5 bits for each of 64·64 + 32·32 indices
    assert encoded.bits_estimated == 5 * (64 * 64 + 32 * 32)
    assert 8 * (len(encoded.payload) - (encoded.header_bytes or 0)) == 5 * (64 * 64 + 32 * 32)
    assert (encoded.header_bytes or 0) <= 12


@pytest.mark.parametrize(
    "changes",
    [
        {"coder": "adaptive"},
        {"coder": "pixelsnail", "input": "indices"},
        {"coder": "pixelsnail", "input": "vectors"},
        {"coder": "transformer"},
    ],
)
def test_stream_is_within_one_percent_of_its_estimate(folder: Path, changes: dict) -> None:
    codec = VqVae2Codec(_card(folder, **changes))
    pixels = picture(64, 264)  # two tiles of different widths
    encoded = codec.encode(image(pixels), ONLY)
    plain = VqVae2Codec(_card(folder, coder="fixed"))
    np.testing.assert_array_equal(
        codec.decode(encoded.payload).array(),
        plain.decode(plain.encode(image(pixels), ONLY).payload).array(),
    )
    assert encoded.bits_estimated is not None
    bits = 8 * (len(encoded.payload) - (encoded.header_bytes or 0))
    assert bits == pytest.approx(encoded.bits_estimated, rel=0.01)


def test_zlib_has_no_estimate(folder: Path) -> None:
    codec = VqVae2Codec(_card(folder, coder="zlib"))
    assert codec.encode(image(picture(64, 64)), ONLY).bits_estimated is None


def test_other_threads_round_alike_and_change_hardly_an_index(folder: Path) -> None:
    """The search for the nearest code is of floats: of two that are equally near, to 10⁻⁶, another
    thread count may take the other."""
    codec, pixels = VqVae2Codec(_card(folder)), picture(90, 120)
    payload = codec.encode(image(pixels), ONLY).payload
    one = codec.decode(payload).array()
    with torch.no_grad():
        x = to_tensor(pixels, 8)
        maps = _network().encode(x)
        torch.set_num_threads(2)
        again = _network().encode(x)
    assert_rounded_alike(codec.decode(payload).array(), one)
    changed = sum(int((a != b).sum()) for a, b in zip(maps, again, strict=True))
    assert changed <= 2


@pytest.fixture(scope="module")
def streams(folder: Path) -> dict[str, tuple[VqVae2Codec, bytes]]:
    found = {}
    for coder in CODERS:
        codec = VqVae2Codec(_card(folder, coder=coder))
        found[coder] = (codec, codec.encode(image(picture(40, 40)), ONLY).payload)
    return found


@settings(max_examples=60, deadline=None)
@given(
    coder=st.sampled_from(CODERS),
    place=st.integers(0, 2**16),
    change=st.integers(1, 255),
    cut=st.booleans(),
)
def test_damage_is_an_error_never_a_picture(
    streams: dict[str, tuple[VqVae2Codec, bytes]], coder: str, place: int, change: int, cut: bool
) -> None:
    codec, payload = streams[coder]
    place %= len(payload)
    damaged = bytearray(payload)
    damaged[place] ^= change
    with pytest.raises(BitstreamError):
        codec.decode(payload[:place] if cut else bytes(damaged))


def test_streams_of_other_settings_are_foreign(
    streams: dict[str, tuple[VqVae2Codec, bytes]],
) -> None:
    for coder, (codec, _) in streams.items():
        for other, (_, payload) in streams.items():
            if other != coder:
                with pytest.raises(BitstreamError, match="other weights"):
                    codec.decode(payload)


def test_missing_weights_and_other_architectures(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="python -m bench train vqvae2"):
        VqVae2Codec(_card(tmp_path)).check_available()
    with pytest.raises(CardError, match="another architecture"):
        VqVae2Codec(_card(folder, codes=64)).encode(image(picture(8, 8)), ONLY)


def test_codebook_follows_its_vectors_and_revives_dead_codes() -> None:
    torch.manual_seed(0)
    codebook = Codebook(4, 2, learning=True, decay=0.5)
    codebook.vectors.copy_(torch.tensor([[0.0, 0], [1, 0], [0, 1], [9, 9]]))
    codebook.keep_vectors()
    x = torch.tensor([[1.2, 0.0], [1.2, 0.0]]).T.reshape(1, 2, 1, 2)
    found = codebook.train()(x)
    assert found.indices.tolist() == [[[1, 1]]]
    # count 0.5·1 + 0.5·2, sum 0.5·1 + 0.5·2.4
    assert codebook.vectors[1].tolist() == pytest.approx([1.7 / 1.5, 0])
    assert found.commitment.item() == pytest.approx((1.2 - 1.7 / 1.5) ** 2 / 2, rel=1e-5)
    for _ in range(5):
        codebook(x)
    assert int(codebook.revive()) == 3
    assert codebook.vectors[3].tolist() == pytest.approx([1.2, 0])


def test_gradients_pass_straight_through() -> None:
    codebook = Codebook(4, 2, learning=False).eval()
    x = torch.randn(1, 2, 3, 3, requires_grad=True)
    codebook(x).vectors.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, torch.ones_like(x))


def test_complexity(folder: Path) -> None:
    plain = VqVae2Codec(_card(folder)).complexity()
    assert plain.encoder_kmac_per_pixel > plain.decoder_kmac_per_pixel > 5
    codec = VqVae2Codec(_card(folder, coder="transformer"))
    found = codec.complexity()
    parameters = sum(each.numel() for prior in codec._prior_models for each in prior.parameters())
    assert found.parameters == plain.parameters + parameters
    more = found.decoder_kmac_per_pixel - plain.decoder_kmac_per_pixel
    encoder = found.encoder_kmac_per_pixel - plain.encoder_kmac_per_pixel
    assert encoder == pytest.approx(more)
    # a head of 64 × 32 at every index of both levels, (64² + 32²) / 256² of the pixels, and more
    assert more > 64 * 32 * (64**2 + 32**2) / 256**2 / 1000
