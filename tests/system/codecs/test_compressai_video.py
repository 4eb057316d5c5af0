"""ssf2020 with random weights: real strings, decoded from the bytes alone."""

from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("compressai")

from compressai.models.video import ScaleSpaceFlow

from bench.cards import CodecCard, load_registry
from bench.codecs.compressai_video import ZooVideo
from bench.codecs.support.tensors import to_tensor
from bench.errors import BitstreamError, Unavailable
from bench.records import Point
from bench.signals import clip
from tests.agreement import assert_rounded_alike
from tests.system.codecs.tiny_zoo import picture

pytestmark = pytest.mark.usefixtures("one_thread")

POINT = Point("quality", 1)


@cache
def _network() -> ScaleSpaceFlow:
    torch.manual_seed(0)
    network = ScaleSpaceFlow()
    network.update(force=True, update_quantiles=True)
    return network.eval()


@pytest.fixture(scope="module")
def codec(tmp_path_factory: pytest.TempPathFactory) -> ZooVideo:
    folder = tmp_path_factory.mktemp("ssf2020")
    torch.save(_network().state_dict(), folder / "ssf.pth")
    card = CodecCard(
        "ssf2020",
        folder / "card.toml",
        "",
        "",
        ("video",),
        settings={"architecture": "ssf2020", "weights": str(folder / "ssf.pth")},
        ladder=(POINT,),
    )
    return ZooVideo(card)


def _frames(count: int = 3) -> np.ndarray:
    whole = picture(80, 100)
    return np.stack([whole[4 * i : 4 * i + 60, 2 * i : 2 * i + 70] for i in range(count)])


def test_decode_equals_the_forward_pass(codec: ZooVideo) -> None:
    frames = _frames()
    encoded = codec.encode(clip(frames, fps=Fraction(30000, 1001)), POINT)
    decoded = codec.decode(encoded.payload)
    assert decoded.layout.fps == Fraction(30000, 1001)
    with torch.no_grad():
        forward = _network()([to_tensor(frame, 128) for frame in frames])
    for shown, expected in zip(decoded.frames(), forward["x_hat"], strict=True):
        pixels = (expected.clamp(0, 1) * 255).round()[0, :, :60, :70].permute(1, 2, 0)
        assert_rounded_alike(shown, pixels.byte().numpy())
    bits = sum(
        float(-likelihood.double().log2().sum())
        for frame in forward["likelihoods"]
        for part in frame.values()
        for likelihood in part.values()
    )
    assert encoded.bits_estimated == pytest.approx(bits, rel=1e-6)
    # random weights code next to nothing: 10 strings of a few bytes each
    assert abs(8 * len(encoded.payload) - bits) < 8 * (encoded.header_bytes or 0) + 10 * 64


def test_one_frame_and_gray(codec: ZooVideo) -> None:
    gray = _frames(1)[..., 0]
    decoded = codec.decode(codec.encode(clip(gray), POINT).payload)
    assert decoded.layout.samples == "gray"
    assert decoded.array().shape == (1, 60, 70)


def test_damage_is_refused(codec: ZooVideo) -> None:
    payload = codec.encode(clip(_frames(2)), POINT).payload
    for place in (0, 3, 5, 6, 12, len(payload) - 1):
        damaged = bytearray(payload)
        damaged[place] ^= 0x41
        with pytest.raises(BitstreamError):
            codec.decode(bytes(damaged))
        with pytest.raises(BitstreamError):
            codec.decode(payload[:place])


def test_missing_weights_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.delenv("BENCH_WEIGHTS", raising=False)
    card = load_registry().codec("ssf2020")
    assert [point.value for point in card.ladder] == list(range(1, 10))
    with pytest.raises(Unavailable, match=r"ssf2020\(1, 'mse', pretrained=True\)"):
        ZooVideo(card).check_available()


def test_complexity_counts_both_sides(codec: ZooVideo) -> None:
    found = codec.complexity()
    # the encoder also decodes, to predict from what the decoder will have
    assert found.encoder_kmac_per_pixel > found.decoder_kmac_per_pixel > 20
    assert found.parameters == sum(each.numel() for each in _network().parameters())
