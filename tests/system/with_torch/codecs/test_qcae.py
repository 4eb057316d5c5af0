"""Codecs ``qcae`` and ``qcae-rd`` with random networks: exact indices, whatever the coder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.cards import CodecCard, load_registry, read_codec
from bench.codecs.support import weights
from bench.codecs.support.container import Container
from bench.errors import BitstreamError, CardError, Unavailable
from bench.learned.qcae.codec import CONTEXT, Qcae
from bench.learned.qcae.network import LADDER, LATENTS, QuantisedAutoencoder
from bench.learned.qcae_rd.codec import QcaeRd, _Reader, _Writer
from bench.learned.qcae_rd.layers import MOST
from bench.learned.qcae_rd.motion_model import COUNT_ROW
from bench.learned.qcae_rd.motion_search import layer_count
from bench.learned.qcae_rd.network import ConditionalAutoencoder
from bench.learned.shared.latent_context import LatentContext
from bench.records import Point
from bench.signals import GRAY, RGB, Layout, Signal, clip
from tests.agreement import assert_rounded_alike

pytestmark = pytest.mark.usefixtures("one_thread")

CODERS = ("fixed", "zlib", CONTEXT)
K8 = Point("codes", 8)


def _card(folder: Path, name: str) -> CodecCard:
    path = folder / f"{name}.toml"
    path.write_text(load_registry().codecs[name].read_text())
    return read_codec(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> CodecCard:
    """``qcae-any`` with random weights: latents spread over the codebooks."""
    card = _card(tmp_path_factory.mktemp("codecs"), "qcae-any")
    torch.manual_seed(0)
    model = QuantisedAutoencoder(LADDER)
    with torch.no_grad():
        model.to_latent.weight.mul_(4)
    context = LatentContext(LADDER, LATENTS)
    folder = weights.weights_path(card).parent
    weights.save_weights(folder, "qcae-any", weights.MODEL, model.state_dict(), precision="float32")
    weights.save_weights(folder, "qcae-any", CONTEXT, context.state_dict(), precision="float32")
    return card


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> QcaeRd:
    card = _card(tmp_path_factory.mktemp("codecs"), "qcae-rd")
    torch.manual_seed(1)
    model = ConditionalAutoencoder()
    with torch.no_grad():
        model.residual.weight.normal_(std=0.02)
        model.refine2.weight.normal_(std=0.02)
    model.finalise()
    folder = weights.weights_path(card).parent
    weights.save_weights(folder, "qcae-rd", weights.MODEL, model.state_dict(), precision="float32")
    return QcaeRd(card)


def _with_coder(card: CodecCard, coder: str) -> Qcae:
    return Qcae(replace(card, settings={**card.settings, "coder": coder}))


def _clip(frames: int = 3, height: int = 16, width: int = 24, seed: int = 0) -> Signal:
    rng = np.random.default_rng(seed)
    still = rng.integers(0, 256, (height, width), np.uint8)
    return clip(np.stack([np.roll(still, 2 * time, 1) for time in range(frames)]))


@pytest.mark.parametrize("codes", [2, 8, 128])
def test_all_coders_of_a_codebook_give_the_same_clip(shared: CodecCard, codes: int) -> None:
    point, signal = Point("codes", codes), _clip()
    decoded = []
    for coder in CODERS:
        codec = _with_coder(shared, coder)
        encoded = codec.encode(signal, point)
        decoded.append(codec.decode(encoded.payload).array())
        assert decoded[-1].shape == signal.array().shape
        if encoded.bits_estimated is not None:
            body = len(encoded.payload) - (encoded.header_bytes or 0)
            assert encoded.bits_estimated <= 8 * body + 1
            assert 8 * body <= 1.01 * encoded.bits_estimated + 40
    network, book = codec.network(codes)
    planes = torch.from_numpy(signal.array()).float()[None, None] / 255
    with torch.no_grad():
        expected = network.decode(network.encode(planes, book), book)[0, 0]
    for each in decoded:
        assert np.array_equal(each, decoded[0])
    assert_rounded_alike(decoded[0], np.rint(255 * expected.numpy()).astype(np.uint8))


@pytest.mark.parametrize(
    ("frames", "height", "width"), [(1, 4, 4), (1, 1, 1), (2, 17, 33), (12, 9, 4), (4, 64, 64)]
)
def test_any_size_and_length(
    shared: CodecCard, conditional: QcaeRd, frames: int, height: int, width: int
) -> None:
    signal = _clip(frames, height, width)
    codecs = [(_with_coder(shared, CONTEXT), K8), (conditional, Point("quality", 2.5))]
    for codec, point in codecs:
        payload = codec.encode(signal, point).payload
        decoded = codec.decode(payload)
        assert (decoded.layout.frames, decoded.layout.height) == (frames, height)
        assert decoded.layout.width == width
        elsewhere = codec.decode_elsewhere(payload)
        if codec is conditional:  # all of its arithmetic is exact
            assert np.array_equal(elsewhere.array(), decoded.array())
        assert_rounded_alike(elsewhere.array(), decoded.array())


def test_the_standard_size_costs_nothing(shared: CodecCard) -> None:
    codec = _with_coder(shared, "fixed")
    standard = codec.encode(_clip(20, 64, 64), K8)
    assert standard.header_bytes == 6
    assert len(standard.payload) == 6 + 3 * LATENTS * 20 * 16 * 16 // 8
    assert codec.encode(_clip(19, 64, 64), K8).header_bytes == 9


def test_the_stream_of_the_conditional_codec_is_near_its_estimate(conditional: QcaeRd) -> None:
    faint = clip(_clip(4, 32, 32).array() // 16)
    encoded = conditional.encode(faint, Point("quality", 1))
    assert encoded.bits_estimated is not None and encoded.header_bytes is not None
    body = 8 * (len(encoded.payload) - encoded.header_bytes)
    assert encoded.bits_estimated == pytest.approx(body, rel=0.02, abs=64)


def _crossing(frames: int = 8) -> Signal:
    """Two squares of noise on black that cross."""
    pixels = np.zeros((frames, 32, 32), np.uint8)
    rng = np.random.default_rng(0)
    for row, down in ((2, 1), (14, -1)):
        texture = rng.integers(80, 256, (8, 8), np.uint8)
        for time, frame in enumerate(pixels):
            window = frame[row + down * time :, 2 * time :][:8, :8]
            np.maximum(window, texture, out=window)
    return clip(pixels)


@pytest.mark.parametrize("quality", [1, 4.5, 8])
@pytest.mark.parametrize("signal", [_clip(4, 16, 16), _crossing()], ids=["rolling", "crossing"])
def test_the_conditional_codec_decodes_what_its_network_makes(
    conditional: QcaeRd, signal: Signal, quality: float
) -> None:
    """The codec's frame loop against the network's own."""
    encoded = conditional.encode(signal, Point("quality", quality))
    x = torch.from_numpy(signal.array()).double()[:, None] / 255
    with torch.no_grad():
        coded = conditional._network(x[None], torch.tensor([quality]), layer_count(x))
    decoded = conditional.decode(encoded.payload)
    assert np.array_equal(decoded.array(), np.rint(255 * coded.frames[0, :, 0].clamp(0, 1).numpy()))
    of_count = 2
    assert encoded.bits_estimated == pytest.approx(float(coded.bits.sum()) + of_count, rel=1e-3)


@pytest.mark.parametrize("count", [-1, MOST])
def test_a_number_of_layers_that_does_not_exist_is_refused(conditional: QcaeRd, count: int) -> None:
    """By a stream that is sound otherwise: rANS has symbols for values outside its tables."""
    network = conditional._network
    tables = conditional._tables
    writer = _Writer(network, tables)
    writer._add([count], [COUNT_ROW])
    planes = [torch.zeros(1, 1, 8, 8)] * 2
    with pytest.raises(BitstreamError, match="motion that does not exist"):
        _Reader(writer.finish(), tables).code_count(planes)


def test_weights_are_fingerprinted_once(shared: CodecCard, monkeypatch: pytest.MonkeyPatch) -> None:
    codec, made, calls = _with_coder(shared, "fixed"), Qcae.container_of, []

    def counted(*arguments: Any) -> Container:
        calls.append(arguments)
        return made(*arguments)

    monkeypatch.setattr(Qcae, "container_of", counted)
    for _ in range(2):
        codec.decode(codec.encode(_clip(2, 8, 8), K8).payload)
    assert len(calls) == 1


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_damaged_streams_are_refused(
    shared: CodecCard, conditional: QcaeRd, data: st.DataObject
) -> None:
    codecs = [(_with_coder(shared, coder), K8) for coder in CODERS]
    codecs.append((conditional, Point("quality", 2)))
    codec, point = data.draw(st.sampled_from(codecs))
    payload = bytearray(codec.encode(_clip(2, 8, 8), point).payload)
    kind = data.draw(st.sampled_from(("cut", "flip", "grow", "noise")))
    place = data.draw(st.integers(0, len(payload) - 1))
    if kind == "cut":
        payload = payload[:place]
    elif kind == "flip":
        payload[place] ^= data.draw(st.integers(1, 255))
    elif kind == "grow":
        payload += data.draw(st.binary(min_size=1, max_size=9))
    else:
        payload = bytearray(data.draw(st.binary(max_size=40)))
    with pytest.raises(BitstreamError):
        codec.decode(bytes(payload))


def test_streams_of_other_codecs_and_weights_are_refused(
    shared: CodecCard, conditional: QcaeRd, tmp_path: Path
) -> None:
    signal = _clip()
    payload = _with_coder(shared, CONTEXT).encode(signal, K8).payload
    with pytest.raises(BitstreamError, match="another codec"):
        conditional.decode(payload)
    with pytest.raises(BitstreamError, match="another codec"):
        _with_coder(shared, "zlib").decode(payload)
    card = _card(tmp_path, "qcae-any")
    torch.manual_seed(9)
    folder = weights.weights_path(card).parent
    model, context = QuantisedAutoencoder(LADDER), LatentContext(LADDER, LATENTS)
    weights.save_weights(folder, "qcae-any", weights.MODEL, model.state_dict(), precision="float32")
    weights.save_weights(folder, "qcae-any", CONTEXT, context.state_dict(), precision="float32")
    with pytest.raises(BitstreamError, match="other weights"):
        Qcae(card).decode(payload)


def test_other_kinds_of_clips_are_refused_by_name(shared: CodecCard) -> None:
    codec = _with_coder(shared, CONTEXT)
    assert "gray" in str(codec.refusal(Layout("video", RGB, 64, 64, 20)))
    assert "at most" in str(codec.refusal(Layout("video", GRAY, 4096, 4096, 20)))
    assert codec.refusal(Layout("video", GRAY, 64, 64, 20)) is None


def test_missing_weights_name_the_command_that_makes_them(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="bench train qcae --point codes=2"):
        Qcae(_card(tmp_path, "qcae")).check_available()
    with pytest.raises(Unavailable, match="bench train qcae-rd"):
        QcaeRd(_card(tmp_path, "qcae-rd")).check_available()


def test_weights_of_another_architecture_are_refused(tmp_path: Path) -> None:
    card = _card(tmp_path, "qcae-any")
    model = QuantisedAutoencoder((2, 4))
    weights.save_weights(
        weights.weights_path(card).parent,
        "qcae-any",
        weights.MODEL,
        model.state_dict(),
        precision="float32",
    )
    with pytest.raises(CardError, match="safetensors"):
        Qcae(card).network(8)
