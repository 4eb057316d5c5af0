"""Cards of CompressAI's own networks against CompressAI itself, with small random weights."""

import hashlib
import math
from contextlib import nullcontext
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch

pytest.importorskip("compressai")

from compressai.utils.eval_model import __main__ as eval_model
from compressai.zoo import image as zoo_images
from compressai.zoo import video as zoo_videos

from bench.cards import load_registry
from bench.codecs import compressai_model
from bench.codecs.build import build_codec, select
from bench.codecs.compressai_model import CompressAIModel
from bench.codecs.support.tensors import to_tensor
from bench.codecs.support.user_model import ModelSource
from bench.errors import BitstreamError, CardError, Unavailable
from bench.records import Point
from bench.signals import Signal, clip, image
from tests.agreement import assert_rounded_alike
from tests.pictures import picture
from tests.system.with_torch.codecs.golden import clear_choices
from tests.system.with_torch.codecs.here import Here
from tests.system.with_torch.codecs.tiny_zoo import (
    AUTOREGRESSIVE,
    IMAGE_ARCHITECTURES,
    network_class,
    tiny_model,
)

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
ZOO = {
    name.replace("_", "-"): urls
    for name, urls in {**zoo_images.model_urls, **zoo_videos.model_urls}.items()
}
CARDS = {
    card.id: card
    for card in map(load_registry().codec, load_registry().codecs)
    if str(card.settings.get("model", "")).startswith("compressai.")
}


@cache
def _network(name: str) -> torch.nn.Module:
    if name in IMAGE_ARCHITECTURES:
        return tiny_model(name)
    torch.manual_seed(0)
    network = network_class(name)()
    network.update(force=True, update_quantiles=True)  # type: ignore[operator]
    return network.eval()


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "apart" not in request.node.name:
        monkeypatch.setattr(compressai_model, "Apart", Here)


@pytest.fixture(autouse=True)
def weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where downloaded weights are looked for."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "cache"))
    return folder


def _codec(name: str, folder: Path) -> CompressAIModel:
    path = folder / f"{name}-1.pth"
    if not path.exists():
        torch.save(_network(name).state_dict(), path)
    spec = f"{name}:weights={folder}/{name}-{{quality}}.pth,quality=1"
    codec = build_codec(select(load_registry(), spec))
    codec.check_available()
    return cast(CompressAIModel, codec)


def _clip(count: int = 3) -> Signal:
    whole = picture(80, 100)
    frames = [whole[4 * i : 4 * i + 60, 2 * i : 2 * i + 70] for i in range(count)]
    return clip(np.stack(frames), fps=Fraction(30000, 1001))


@pytest.mark.parametrize("name", CARDS)
def test_a_card_finds_all_weights_by_their_published_names(name: str, weights: Path) -> None:
    card = CARDS[name]
    network = name.removesuffix("-ms-ssim")
    metric = "mse" if network == name else "ms-ssim"
    published = ZOO.get(network, {}).get(metric, {})
    for point in card.ladder:
        url = published.get(point.value, f"{network}-{metric}-{point.value}.pth")
        path = weights / url.rpartition("/")[2]
        path.write_text(str(point))
        assert ModelSource.of(card).found(point) == path
    assert {point.value for point in card.ladder} == set(published or range(1, 9))
    assert network not in AUTOREGRESSIVE or card.settings["device"] == "cpu"
    # a published name holds the hash of the published content, which this is not
    with pytest.raises(CardError, match="does not have the hash") if published else nullcontext():
        ModelSource.of(card).checkpoint(card.ladder[0])
    if "*" in card.settings["weights"]:
        found = ModelSource.of(card).found(card.ladder[0])
        assert found is not None
        name_of_another = card.settings["weights"].replace("*", "0000").format(quality=1)
        (found.parent / name_of_another).write_text("another")
        with pytest.raises(CardError, match="remove one, or name the other"):
            ModelSource.of(card).checkpoint(card.ladder[0])


def test_every_published_network_has_a_card() -> None:
    published = {name + "-ms-ssim" * (metric != "mse") for name in ZOO for metric in ZOO[name]}
    assert published <= set(CARDS)


@pytest.mark.parametrize("name", ["mbt2018-mean", "ssf2020"])
def test_missing_weights_name_the_command(name: str, weights: Path) -> None:
    codec = build_codec(load_registry().codec(name))
    said = rf"no checkpoint for quality=1: .*weights/{name}.* is missing; get it: python -c .*"
    call = rf"{name.replace('-', '_')}\({{}}, 'mse', pretrained=True\)"
    with pytest.raises(Unavailable, match=said + call.format(1)):
        codec.check_available()
    (weights / f"{name}{'-mse' * (name == 'ssf2020')}-2-01234567.pth.tar").touch()
    with pytest.raises(Unavailable, match=f"or measure what is there: {name}:quality=2$"):
        codec.check_available()
    with pytest.raises(Unavailable, match=call.format(5)):
        codec.encode(_clip(), Point("quality", 5))


@pytest.mark.parametrize("name", IMAGE_ARCHITECTURES)
def test_stream_and_picture_are_compressais(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the stream is within one percent of the likelihood."""
    # its float32 mean over the picture is off by up to 5e-6 dB
    float32 = eval_model.psnr
    monkeypatch.setattr(eval_model, "psnr", lambda a, b: float32(a.double(), b.double()))
    pixels = picture(192, 256, seed=3)
    codec, signal = _codec(name, tmp_path), image(pixels)
    encoded = codec.encode(signal, POINT)
    decoded = codec.decode(encoded.payload).array()[0]
    x = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    expected = eval_model.inference(_network(name), x)
    assert encoded.header_bytes is not None and encoded.header_bytes <= 13
    bits = 8 * (len(encoded.payload) - encoded.header_bytes)
    mse = np.mean((decoded.astype(float) - pixels) ** 2)
    assert bits / (192 * 256) == pytest.approx(expected["bpp"], abs=1e-6)
    assert 10 * math.log10(255**2 / mse) == pytest.approx(expected["psnr-rgb"], abs=1e-6)
    assert bits == pytest.approx(codec.estimate(signal, POINT), rel=0.01)


@pytest.mark.parametrize("name", sorted(set(IMAGE_ARCHITECTURES) - set(AUTOREGRESSIVE)))
def test_decode_equals_the_forward_pass(name: str, tmp_path: Path) -> None:
    pixels = picture(150, 70)
    codec, network = _codec(name, tmp_path), _network(name)
    decoded = codec.decode(codec.encode(image(pixels), POINT).payload).array()[0]
    with torch.no_grad():
        x = to_tensor(pixels, int(network.downsampling_factor))  # type: ignore[arg-type]
        forward = network(x)["x_hat"][0, :, :150, :70]
    expected = (forward.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy()
    assert_rounded_alike(decoded, expected)


def test_a_decoded_clip_equals_the_forward_pass(tmp_path: Path) -> None:
    codec, signal, network = _codec("ssf2020", tmp_path), _clip(), _network("ssf2020")
    encoded = codec.encode(signal, POINT)
    decoded = codec.decode(encoded.payload)
    assert decoded.layout.fps == Fraction(30000, 1001)
    with torch.no_grad():
        forward = network([to_tensor(frame, 128) for frame in signal.frames()])
    for shown, expected in zip(decoded.frames(), forward["x_hat"], strict=True):
        pixels = (expected.clamp(0, 1) * 255).round()[0, :, :60, :70].permute(1, 2, 0)
        assert_rounded_alike(shown, pixels.byte().numpy())
    found = codec.complexity()
    # the encoder also decodes, to predict from what the decoder will have
    assert found is not None
    assert found.encoder_kmac_per_pixel > found.decoder_kmac_per_pixel > 20
    assert found.parameters == sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "mbt2018"])
def test_thread_count_changes_no_stream_whose_choices_are_clear(name: str, tmp_path: Path) -> None:
    """These networks choose symbols and tables by floats; only the engine's second decode tells
    whether a close choice went astray."""
    codec, signal = _codec(name, tmp_path), image(picture(60, 130))
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
    for pixels in (colour, colour[..., 0].copy()):
        decoded = codec.decode(codec.encode(image(pixels), POINT).payload)
        assert decoded.layout.frame_shape == pixels.shape


@pytest.mark.parametrize("name", ["bmshj2018-hyperprior", "ssf2020"])
def test_damage_and_other_weights_are_refused(name: str, tmp_path: Path) -> None:
    codec, signal = (
        _codec(name, tmp_path),
        _clip(2) if name == "ssf2020" else image(picture(64, 64)),
    )
    payload = codec.encode(signal, POINT).payload
    for place in (*range(16), len(payload) // 2, len(payload) - 1):
        damaged = bytearray(payload)
        damaged[place] ^= 0x41
        for broken in (bytes(damaged), payload[:place]):
            with pytest.raises(BitstreamError):
                codec.decode(broken)
    other = tmp_path / "other"
    other.mkdir()
    state = {key: value + 1e-3 for key, value in _network(name).state_dict().items()}
    torch.save(state, other / f"{name}-1.pth")
    with pytest.raises(BitstreamError, match="other weights"):
        _codec(name, other).decode(payload)


def test_weights_in_torchs_cache_reach_a_decoder_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BENCH_WEIGHTS")
    cache = tmp_path / "cache" / "checkpoints"
    cache.mkdir(parents=True)
    torch.save(_network("mbt2018-mean").state_dict(), cache / "new.pth")
    mark = hashlib.sha256((cache / "new.pth").read_bytes()).hexdigest()[:8]
    (cache / "new.pth").rename(cache / f"mbt2018-mean-1-{mark}.pth.tar")
    codec = build_codec(select(load_registry(), "mbt2018-mean:quality=1"))
    codec.check_available()
    pixels = picture(64, 64)
    decoded = codec.decode(codec.encode(image(pixels), POINT).payload)
    assert decoded.layout.frame_shape == pixels.shape


def test_complexity_of_a_network_that_can_be_counted_by_hand(tmp_path: Path) -> None:
    found = _codec("bmshj2018-factorized-relu", tmp_path).complexity()
    # 5×5 convolutions of stride 2, 3→8→8→8→32, at 1/4, 1/16, 1/64 and 1/256 of the pixels
    macs = 25 * (3 * 8 / 4 + 8 * 8 / 16 + 8 * 8 / 64 + 8 * 32 / 256)
    assert found is not None
    assert found.encoder_kmac_per_pixel == pytest.approx(macs / 1000)
    # a transposed convolution does the same work seen from its smaller side
    assert found.decoder_kmac_per_pixel == pytest.approx(macs / 1000)
    assert found.peak_bytes > 256 * 256 * 3 * 4


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_kodak_rows(name: str, bench_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # the weights of this machine
    codec = build_codec(load_registry().codec(name))
    try:
        codec.check_available()
    except Unavailable as error:
        pytest.skip(str(error))
    from PIL import Image

    files = sorted((bench_data / "kodak").glob("kodim*.png"))
    for quality, expected_bpp, expected_psnr in PUBLISHED[name]:
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
