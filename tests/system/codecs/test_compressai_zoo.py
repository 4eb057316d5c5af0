"""The zoo adapter against CompressAI itself, with small random networks in published shapes."""

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("compressai")

from compressai.utils.eval_model import __main__ as eval_model

from bench.cards import CodecCard, load_registry
from bench.codecs.compressai_zoo import ZooImage
from bench.codecs.support.tensors import to_tensor
from bench.codecs.support.zoo_weights import AUTOREGRESSIVE, IMAGE_ARCHITECTURES, ZooModel
from bench.errors import BitstreamError, CardError, Unavailable
from bench.records import Point
from bench.signals import image
from tests.agreement import assert_rounded_alike
from tests.system.codecs.golden import clear_choices
from tests.system.codecs.tiny_zoo import ARGUMENTS, picture, tiny_model

pytestmark = pytest.mark.usefixtures("one_thread")

POINT = Point("quality", 1)
# CompressAI's results/image/8bit-decoded/kodak: quality, bpp of the strings, PSNR of 8-bit RGB
PUBLISHED = {
    "bmshj2018-hyperprior": [
        (1, 0.131293, 27.578),
        (2, 0.208893, 29.1916),
        (3, 0.319858, 30.9644),
        (4, 0.478356, 32.82668),
        (5, 0.668688, 34.50927),
        (6, 0.938826, 36.71643),
        (7, 1.259172, 38.54253),
        (8, 1.660224, 40.49336),
    ],
    "mbt2018-mean": [
        (1, 0.123922, 27.69584),
        (2, 0.197981, 29.35353),
        (3, 0.307244, 31.1211),
        (4, 0.460612, 32.93885),
        (5, 0.661665, 34.94994),
        (6, 0.914405, 36.88314),
        (7, 1.234209, 38.79441),
        (8, 1.61909, 40.56895),
    ],
}


@cache
def _state(architecture: str) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = tiny_model(architecture).state_dict()
    return state


def _codec(architecture: str, folder: Path, **changes: object) -> ZooImage:
    path = folder / f"{architecture}.pth"
    if not path.exists():
        torch.save(_state(architecture), path)
    values = {"architecture": architecture, "metric": "mse", "weights": str(path), **changes}
    card = CodecCard(
        architecture, folder / "card.toml", "", "", ("image",), settings=values, ladder=(POINT,)
    )
    return ZooImage(card)


@pytest.mark.parametrize("architecture", IMAGE_ARCHITECTURES)
def test_stream_is_within_one_percent_of_the_likelihood(architecture: str, tmp_path: Path) -> None:
    encoded = _codec(architecture, tmp_path).encode(image(picture(256, 256)), POINT)
    assert encoded.header_bytes is not None and encoded.bits_estimated is not None
    bits = 8 * (len(encoded.payload) - encoded.header_bytes)
    assert bits == pytest.approx(encoded.bits_estimated, rel=0.01)
    assert encoded.header_bytes <= 14


@pytest.mark.parametrize("architecture", sorted(set(IMAGE_ARCHITECTURES) - set(AUTOREGRESSIVE)))
def test_decode_equals_the_forward_pass(architecture: str, tmp_path: Path) -> None:
    pixels = picture(150, 70)
    codec = _codec(architecture, tmp_path)
    decoded = codec.decode(codec.encode(image(pixels), POINT).payload).array()[0]
    network = tiny_model(architecture)
    with torch.no_grad():
        forward = network(to_tensor(pixels, network.downsampling_factor))["x_hat"][0, :, :150, :70]
    expected = (forward.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    assert_rounded_alike(decoded, expected)


@pytest.mark.parametrize("architecture", IMAGE_ARCHITECTURES)
def test_agrees_with_eval_model(
    architecture: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # its float32 mean over the picture is off by up to 5e-6 dB
    float32 = eval_model.psnr
    monkeypatch.setattr(eval_model, "psnr", lambda a, b: float32(a.double(), b.double()))
    pixels = picture(192, 256, seed=3)
    codec = _codec(architecture, tmp_path)
    encoded = codec.encode(image(pixels), POINT)
    decoded = codec.decode(encoded.payload).array()[0]
    x = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    expected = eval_model.inference(tiny_model(architecture), x)
    assert encoded.header_bytes is not None
    bpp = 8 * (len(encoded.payload) - encoded.header_bytes) / (192 * 256)
    mse = np.mean((decoded.astype(float) - pixels) ** 2)
    assert bpp == pytest.approx(expected["bpp"], abs=1e-6)
    assert 10 * math.log10(255**2 / mse) == pytest.approx(expected["psnr-rgb"], abs=1e-6)


@pytest.mark.parametrize("architecture", ["bmshj2018-hyperprior", "mbt2018"])
def test_thread_count_changes_no_stream_whose_choices_are_clear(
    architecture: str, tmp_path: Path
) -> None:
    """These networks choose symbols and tables by floats; only the engine's second decode tells
    whether a close choice went astray."""
    codec, signal = _codec(architecture, tmp_path), image(picture(60, 130))
    with clear_choices():
        one = codec.encode(signal, POINT)
    torch.set_num_threads(2)
    assert codec.encode(signal, POINT).payload == one.payload
    two_threads = codec.decode(one.payload).array()
    torch.set_num_threads(1)
    assert_rounded_alike(codec.decode(one.payload).array(), two_threads)


@pytest.mark.parametrize("shape", [(1, 1), (1, 70), (65, 3), (64, 64)])
def test_any_size_and_gray_round_trip(shape: tuple[int, int], tmp_path: Path) -> None:
    codec = _codec("mbt2018-mean", tmp_path)
    colour = picture(*shape)
    assert codec.decode(codec.encode(image(colour), POINT).payload).array()[0].shape == (*shape, 3)
    gray = codec.decode(codec.encode(image(colour[..., 0]), POINT).payload)
    assert gray.layout.samples == "gray"
    assert gray.array()[0].shape == shape


def test_a_fresh_adapter_decodes_the_bytes_alone(tmp_path: Path) -> None:
    first, second = (_codec("cheng2020-anchor", tmp_path) for _ in range(2))
    payload = first.encode(image(picture(64, 64)), POINT).payload
    np.testing.assert_array_equal(first.decode(payload).array(), second.decode(payload).array())


@cache
def _damage_target() -> tuple[ZooImage, bytes]:
    import tempfile

    codec = _codec("bmshj2018-hyperprior", Path(tempfile.mkdtemp()))
    return codec, codec.encode(image(picture(64, 64)), POINT).payload


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 255), st.booleans())
def test_damage_is_an_error_never_a_picture(place: int, change: int, cut: bool) -> None:
    codec, payload = _damage_target()
    place %= len(payload)
    damaged = bytearray(payload)
    damaged[place] ^= change
    with pytest.raises(BitstreamError):
        codec.decode(payload[:place] if cut else bytes(damaged))


def test_a_stream_of_other_weights_is_refused(tmp_path: Path) -> None:
    payload = _codec("mbt2018-mean", tmp_path).encode(image(picture(64, 64)), POINT).payload
    other = tmp_path / "other"
    other.mkdir()
    torch.save(tiny_model("mbt2018-mean", seed=1).state_dict(), other / "mbt2018-mean.pth")
    with pytest.raises(BitstreamError, match="other weights"):
        _codec("mbt2018-mean", other).decode(payload)


def test_missing_weights_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    codec = ZooImage(load_registry().codec("mbt2018-mean"))
    with pytest.raises(Unavailable, match=r"mbt2018_mean\(1, 'mse', pretrained=True\)"):
        codec.check_available()
    with pytest.raises(Unavailable, match=r"mbt2018_mean\(5, 'mse'"):
        codec.encode(image(picture(64, 64)), Point("quality", 5))


def test_weights_are_found_in_a_folder_by_their_published_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENCH_WEIGHTS", str(tmp_path))
    model = ZooModel("mbt2018", "mbt2018", "mse", 4)
    assert model.url is not None
    published = tmp_path / Path(model.url).name
    torch.save(_state("mbt2018"), published)
    assert model.find() == published
    # the published name holds the hash of the published content, which this is not
    with pytest.raises(CardError, match="hash"):
        model.load()


def test_checkpoints_that_do_not_fit_are_named(tmp_path: Path) -> None:
    codec = _codec("bmshj2018-factorized", tmp_path)
    torch.save(_state("mbt2018-mean"), tmp_path / "bmshj2018-factorized.pth")
    with pytest.raises(CardError, match="not weights of bmshj2018-factorized"):
        codec.encode(image(picture(64, 64)), POINT)
    path = tmp_path / "bmshj2018-factorized.pth"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CardError, match="not a readable PyTorch checkpoint"):
        codec.encode(image(picture(64, 64)), POINT)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    codec = _codec("bmshj2018-factorized", tmp_path)
    torch.save({"state_dict": Path("/")}, tmp_path / "bmshj2018-factorized.pth")
    with pytest.raises(CardError, match="not a readable PyTorch checkpoint"):
        codec.encode(image(picture(64, 64)), POINT)


def test_a_users_checkpoint_with_arguments_and_no_quality(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    torch.save({"state_dict": _state("cheng2020-attn")}, path)
    card = CodecCard(
        "mine",
        tmp_path / "mine.toml",
        "",
        "",
        ("image",),
        settings={
            "architecture": "cheng2020-attn",
            "weights": str(path),
            "arguments": "+".join(map(str, ARGUMENTS["cheng2020-attn"])),
        },
        ladder=(Point("mode", "only"),),
    )
    codec = ZooImage(card)
    codec.check_available()
    payload = codec.encode(image(picture(64, 64)), Point("mode", "only")).payload
    assert codec.decode(payload).layout.width == 64


def test_every_published_image_model_has_a_card() -> None:
    from compressai.zoo.image import cfgs

    registry = load_registry()
    for architecture in IMAGE_ARCHITECTURES:
        for metric, suffix in (("mse", ""), ("ms-ssim", "-ms-ssim")):
            card = registry.codec(architecture + suffix)
            assert card.settings["metric"] == metric
            assert [point.value for point in card.ladder] == sorted(cfgs[architecture])


def test_complexity_of_a_network_that_can_be_counted_by_hand(tmp_path: Path) -> None:
    found = _codec("bmshj2018-factorized-relu", tmp_path).complexity()
    # 5×5 convolutions of stride 2, 3→8→8→8→32, at 1/4, 1/16, 1/64 and 1/256 of the pixels
    macs = 25 * (3 * 8 / 4 + 8 * 8 / 16 + 8 * 8 / 64 + 8 * 32 / 256)
    assert found.encoder_kmac_per_pixel == pytest.approx(macs / 1000)
    # a transposed convolution does the same work seen from its smaller side
    assert found.decoder_kmac_per_pixel == pytest.approx(macs / 1000)
    assert found.peak_bytes > 256 * 256 * 3 * 4


@pytest.mark.parametrize("architecture", PUBLISHED)
def test_published_kodak_rows(architecture: str, bench_data: Path) -> None:
    codec = ZooImage(load_registry().codec(architecture))
    try:
        codec.check_available()
    except Unavailable as error:
        pytest.skip(str(error))
    from PIL import Image

    files = sorted((bench_data / "kodak").glob("kodim*.png"))
    for quality, expected_bpp, expected_psnr in PUBLISHED[architecture]:
        bpp, psnr = [], []
        for path in files:
            pixels = np.asarray(Image.open(path))
            encoded = codec.encode(image(pixels), Point("quality", quality))
            decoded = codec.decode(encoded.payload).array()[0]
            strings = len(encoded.payload) - (encoded.header_bytes or 0)
            bpp.append(8 * strings / pixels[..., 0].size)
            psnr.append(10 * math.log10(255**2 / np.mean((decoded - pixels.astype(float)) ** 2)))
        assert np.mean(bpp) == pytest.approx(expected_bpp, abs=1e-3)
        assert np.mean(psnr) == pytest.approx(expected_psnr, abs=0.005)
