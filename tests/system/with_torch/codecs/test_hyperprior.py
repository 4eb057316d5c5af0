"""Codec ``hyperprior`` with an untrained network, which is a DCT codec from the start."""

import hashlib
from copy import deepcopy
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import CodecCard, load_registry
from bench.codecs.support import weights
from bench.codecs.support.tensors import to_tensor
from bench.errors import BitstreamError, CardError, Unavailable
from bench.learned.hyperprior.codec import Hyperprior
from bench.learned.hyperprior.network import GainedHyperprior, trade_off
from bench.learned.hyperprior.plane_coder import PlaneCoder
from bench.learned.shared.checkerboard import Walked
from bench.records import Point
from bench.signals import image
from tests.agreement import assert_rounded_alike
from tests.pictures import picture
from tests.system.with_torch.codecs.golden import clear_choices

pytestmark = pytest.mark.usefixtures("one_thread")


@cache
def _network(seed: int = 0) -> GainedHyperprior:
    torch.manual_seed(seed)
    network = GainedHyperprior()
    with torch.no_grad():  # σ generous enough for the test's textures: no escape codes
        network.h_s.conv3.bias[:320] += 1
        for heads in network.context.heads:  # which would start without any effect
            for head in heads:
                head.weight.normal_(0, 0.002)
    network.finalise()
    network.eval()
    return network


def _card(folder: Path) -> CodecCard:
    return CodecCard(
        "hyperprior",
        folder / "hyperprior.toml",
        "",
        "",
        ("image",),
        ladder=tuple(Point("quality", value) for value in range(1, 9)),
    )


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Hyperprior:
    folder = tmp_path_factory.mktemp("codecs")
    weights.save_weights(
        folder / "weights" / "hyperprior",
        "hyperprior",
        "model",
        _network().state_dict(),
        precision="float32",
    )
    return Hyperprior(_card(folder))


def _psnr(decoded: np.ndarray, pixels: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((decoded - pixels.astype(float)) ** 2)))


@pytest.mark.parametrize("quality", [1, 4.5, 8])
def test_stream_is_within_one_percent_of_the_likelihood(codec: Hyperprior, quality: float) -> None:
    pixels = picture(256, 256, grain=24, noise_level=1)
    encoded = codec.encode(image(pixels), Point("quality", quality))
    assert encoded.header_bytes is not None and encoded.bits_estimated is not None
    bits = 8 * (len(encoded.payload) - encoded.header_bytes)
    assert bits == pytest.approx(encoded.bits_estimated, rel=0.01)
    assert encoded.header_bytes <= 14


def test_tables_are_of_the_scales_that_training_counts() -> None:
    """Of the trained network too; with tables of other scales its streams were a tenth longer."""
    trained = Hyperprior(load_registry().codec("hyperprior")).network
    index = torch.arange(64.0)
    for network in (_network(), trained):
        of_tables = network._scales(index)
        in_training = deepcopy(network).train()._scales(index)
        torch.testing.assert_close(of_tables, in_training, rtol=1e-3, atol=0)


@torch.no_grad()
def test_elements_are_decoded_nearer_to_their_mean(codec: Hyperprior) -> None:
    network = _network()
    rows = torch.tensor([[0.0, 20, 20, 20, 20, 20]])
    far = torch.tensor([[0.0, 1, -1, 2, 5, 0.5]])
    found = network.dequantised(Walked(rows, torch.full_like(far, 7.0), far)) - 7
    first = 1 - float(found[0, 1])
    second = 2 - float(found[0, 3])
    # of a Gaussian with σ = 0.83 between 0.5 and 1.5, and between 1.5 and 2.5
    assert first == pytest.approx(0.1117, abs=1e-3) and second == pytest.approx(0.2055, abs=1e-3)
    expected = [0, 1 - first, first - 1, 2 - second, 5 - second, 0.5 - first / 2]
    assert found[0].tolist() == pytest.approx(expected)


def test_decode_equals_the_forward_pass(codec: Hyperprior) -> None:
    pixels = picture(100, 75)
    payload = codec.encode(image(pixels), Point("quality", 3)).payload
    with torch.no_grad():
        result = _network()(to_tensor(pixels, 32), torch.tensor([3.0]))
    expected = (result.picture[0, :, :100, :75].clamp(0, 1) * 255).round().byte()
    assert_rounded_alike(codec.decode(payload).array()[0], expected.permute(1, 2, 0).numpy())


def test_quality_trades_rate_for_distortion(codec: Hyperprior) -> None:
    pixels = picture(128, 128)
    coded = [codec.encode(image(pixels), Point("quality", q)).payload for q in (1, 2.5, 4, 8)]
    sizes = [len(payload) for payload in coded]
    psnr = [_psnr(codec.decode(payload).array()[0], pixels) for payload in coded]
    assert sizes == sorted(sizes) and len(set(sizes)) == 4
    assert psnr == sorted(psnr)
    # the untrained network is a 16×16 DCT of 320 coefficients: it must already code pictures
    assert psnr[-1] > 25


@pytest.mark.parametrize("size", [(128, 128), (70, 90)])
def test_refined_latents_cost_less_and_decode_as_any(
    codec: Hyperprior, size: tuple[int, int]
) -> None:
    """R + λ·D falls by more than rounding errors; the stream is one for the same decoder."""
    pixels, point = picture(*size, grain=24, noise_level=1), Point("quality", 4)
    weight = float(trade_off(torch.tensor(4.0)))
    refining = Hyperprior(replace(codec.card, settings={"refine": 25}))
    costs = []
    for encoder in (codec, refining):
        encoded = encoder.encode(image(pixels), point)
        decoded = codec.decode(encoded.payload).array()[0]
        mse = np.mean((decoded - pixels.astype(float)) ** 2)
        assert encoded.bits_estimated is not None
        costs.append(encoded.bits_estimated / (size[0] * size[1]) + weight * mse)
    # latents go a third as far as they did when this was 3 %; of a trained network it gains 3 %
    assert costs[1] < 0.99 * costs[0]


def test_no_step_of_refinement_is_no_refinement(codec: Hyperprior) -> None:
    pixels, point = image(picture(64, 64)), Point("quality", 3)
    plain = Hyperprior(replace(codec.card, settings={"refine": 0}))
    assert plain.encode(pixels, point).payload == codec.encode(pixels, point).payload


def test_in_bfloat16_the_same_latents_decode_to_within_a_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of the trained network: what corrects the linear transform moves samples by 0.06 levels."""
    pixels, point = picture(192, 160, grain=24), Point("quality", 6)
    found = {}
    for native in (False, True):
        monkeypatch.setattr(
            "bench.learned.hyperprior.codec.multiplies_bfloat16", partial(bool, native)
        )
        codec = Hyperprior(load_registry().codec("hyperprior"))
        assert codec.network.g_a.halves is codec.network.g_s.halves is native
        found[native] = codec, codec.encode(image(pixels), point).payload
    whole, halves = (codec.decode(found[True][1]).array() for codec, _ in found.values())
    apart = np.abs(whole.astype(int) - halves)
    assert apart.max() == 1 and 0.005 < apart.mean() < 0.1
    sizes = [len(payload) for _, payload in found.values()]
    assert sizes[0] == pytest.approx(sizes[1], abs=8)


def test_refinement_gains_as_much_in_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a picture so large that single roundings, which differ, weigh little."""
    pixels, point = picture(192, 160, grain=24, noise_level=1), Point("quality", 6)
    weight, costs = float(trade_off(torch.tensor(6.0))), []
    for native, steps in ((False, 0), (False, 12), (True, 12)):
        monkeypatch.setattr(
            "bench.learned.hyperprior.codec.multiplies_bfloat16", partial(bool, native)
        )
        card = replace(load_registry().codec("hyperprior"), settings={"refine": steps})
        codec = Hyperprior(card)
        payload = codec.encode(image(pixels), point).payload
        mse = np.mean((codec.decode(payload).array()[0] - pixels.astype(float)) ** 2)
        costs.append(8 * len(payload) / (192 * 160) + weight * mse)
    plain, whole, halves = costs
    assert whole < plain
    assert plain - halves == pytest.approx(plain - whole, rel=0.1)


def test_hyper_decoder_is_exact(codec: Hyperprior) -> None:
    """The same entropy parameters whatever the order of summation: here, of permuted channels."""
    network = _network()
    z_hat = torch.randint(-6, 7, (1, 64, 3, 5), generator=torch.Generator().manual_seed(1)).float()
    order = torch.randperm(64, generator=torch.Generator().manual_seed(2))
    first = network.h_s.conv1
    with torch.no_grad():
        plain = first(z_hat)
        weight = first.weight.clone()
        first.weight.copy_(weight[:, order])
        permuted = first(z_hat[:, order])
        first.weight.copy_(weight)
    assert plain.dtype == torch.float64
    assert torch.equal(plain, permuted)


def test_other_threads_read_the_same_stream_and_round_alike(codec: Hyperprior) -> None:
    payload = codec.encode(image(picture(90, 200)), Point("quality", 5)).payload
    one = codec.decode(payload).array()
    torch.set_num_threads(2)
    assert_rounded_alike(codec.decode(payload).array(), one)
    assert_rounded_alike(codec.decode_elsewhere(payload).array(), one)
    assert torch.get_num_threads() == 2


def test_other_threads_move_the_latents_by_rounding_errors_only() -> None:
    """10⁻⁵ of a step: a symbol changes where a latent lies that close to a border, or never."""
    x, quality = to_tensor(picture(90, 200), 32), torch.tensor([5.0])
    with torch.no_grad():
        one = _network().latents(x, quality)
        torch.set_num_threads(2)
        for found, expected in zip(_network().latents(x, quality), one, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_several_pictures_at_once_are_what_each_is_alone(codec: Hyperprior) -> None:
    """The same streams, the same entropy parameters, and pixels but for rounding."""
    inputs = [
        (image(picture(90, 100, seed)), Point("quality", value))
        for seed, value in ((1, 2), (2, 4.5), (3, 8))
    ]
    with clear_choices():
        together = codec.encode_many(inputs)
        assert [each.payload for each in together] == [codec.encode(*one).payload for one in inputs]
    decoded = codec.decode_many([each.payload for each in together])
    for found, each in zip(decoded, together, strict=True):
        assert_rounded_alike(found.array(), codec.decode(each.payload).array())
    z_hat = torch.randint(-5, 6, (3, 64, 3, 4), generator=torch.Generator().manual_seed(1)).float()
    quality = torch.tensor([2.0, 4.5, 8.0])
    with torch.no_grad():
        found = _walked(codec, z_hat, quality)
        for k in range(3):
            alone = _walked(codec, z_hat[k : k + 1], quality[k : k + 1])
            assert torch.equal(found.index[k : k + 1], alone.index)
            assert torch.equal(found.mean[k : k + 1], alone.mean)


def _walked(codec: Hyperprior, z_hat: torch.Tensor, quality: torch.Tensor) -> Walked:
    """Of a latent whose elements all lie a step above their mean."""
    return codec.network.walk(z_hat, quality, lambda _, found: torch.ones_like(found.mean))


@pytest.mark.parametrize("size", [(96, 64), (33, 1)])
def test_without_context_streams_are_others_and_decode_alone(
    codec: Hyperprior, size: tuple[int, int]
) -> None:
    pixels, point = picture(*size, grain=24, noise_level=1), Point("quality", 4)
    plain = Hyperprior(replace(codec.card, settings={"context": "none"}))
    coded = [each.encode(image(pixels), point) for each in (codec, plain)]
    assert coded[0].bits_estimated != coded[1].bits_estimated
    for one, other, encoded in ((codec, plain, coded[0]), (plain, codec, coded[1])):
        assert one.decode(encoded.payload).array()[0].shape == pixels.shape
        with pytest.raises(BitstreamError):
            other.decode(encoded.payload)


def test_products_of_the_context_are_counted(codec: Hyperprior) -> None:
    """They are counted with those of the decoder and the encoder."""
    plain = Hyperprior(replace(codec.card, settings={"context": "none"})).complexity()
    found = codec.complexity()
    assert found.parameters == plain.parameters
    assert 0.5 < found.decoder_kmac_per_pixel - plain.decoder_kmac_per_pixel < 3
    assert 0.5 < found.encoder_kmac_per_pixel - plain.encoder_kmac_per_pixel < 3


def test_payloads_of_several_sizes_at_once_are_refused(codec: Hyperprior) -> None:
    other = codec.encode(image(picture(32, 33)), Point("quality", 2)).payload
    with pytest.raises(BitstreamError, match="several sizes"):
        codec.decode_many([_small_payload(codec), other])


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 2**16), change=st.integers(1, 255), cut=st.booleans())
def test_damage_is_an_error_never_a_picture(
    codec: Hyperprior, place: int, change: int, cut: bool
) -> None:
    payload = _small_payload(codec)
    place %= len(payload)
    damaged = bytearray(payload)
    damaged[place] ^= change
    with pytest.raises(BitstreamError):
        codec.decode(payload[:place] if cut else bytes(damaged))


@cache
def _small_payload(codec: Hyperprior) -> bytes:
    return codec.encode(image(picture(32, 32)), Point("quality", 2)).payload


def test_other_weights_are_refused(codec: Hyperprior, tmp_path: Path) -> None:
    folder = tmp_path / "weights" / "hyperprior"
    state = _network(1).state_dict()
    weights.save_weights(folder, "hyperprior", "model", state, precision="float32")
    with pytest.raises(BitstreamError, match="other weights"):
        Hyperprior(_card(tmp_path)).decode(_small_payload(codec))


def test_missing_and_foreign_weights(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="python -m bench train hyperprior"):
        Hyperprior(_card(tmp_path)).check_available()
    folder = tmp_path / "weights" / "hyperprior"
    foreign = {"g_a.weight": torch.zeros(3)}
    weights.save_weights(folder, "hyperprior", "model", foreign, precision="float32")
    with pytest.raises(CardError, match="another architecture"):
        Hyperprior(_card(tmp_path)).encode(image(picture(32, 32)), Point("quality", 1))


def test_a_table_that_is_missing_is_named(tmp_path: Path, codec: Hyperprior) -> None:
    tensors = dict(codec.network.state_dict())
    del tensors["entropy_bottleneck._cdf_length"]
    folder = tmp_path / "weights" / "hyperprior"
    weights.save_weights(folder, "hyperprior", "model", tensors, precision="float32")
    with pytest.raises(CardError, match=r'Missing key.*"entropy_bottleneck\._cdf_length"'):
        Hyperprior(_card(tmp_path)).encode(image(picture(32, 32)), Point("quality", 1))


def test_complexity(codec: Hyperprior) -> None:
    found = codec.complexity()
    assert found.parameters == sum(each.numel() for each in _network().parameters())
    # 1 second per Kodak picture on two cores allows some hundred kMAC per pixel
    assert 5 < found.encoder_kmac_per_pixel < 50
    assert 5 < found.decoder_kmac_per_pixel < 50


def test_stream_hash_of_a_fixed_network(codec: Hyperprior) -> None:
    """Golden bitstream: a change of the coded output is a breaking change."""
    symbols = torch.arange(320 * 4).int() % 7 - 3
    rows = torch.arange(320 * 4).int() % 64
    string = PlaneCoder(_network().gaussian_conditional.tables).encode(symbols, rows)
    assert hashlib.sha256(string).hexdigest()[:16] == "f70473791aa5273e"
