"""One suite over every registered codec card, ours and other packages'."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from bench.cards import CodecCard, load_registry
from bench.codecs.base import Codec, Encoded
from bench.codecs.build import adapter_class, build_codec, select
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.variations import check_values
from bench.errors import BenchError, CodecError, Unavailable
from bench.metrics.evaluate import rounded
from bench.records import Point
from bench.signals import YUV420, Layout, Signal, clip, image, vectors

# an encoder that trains for each picture, for a minute: the same streams, found in less time
_SHORTENED = {"coolchic": "coolchic:preset=debug"}
CARDS = sorted(load_registry().codecs)
_WITHOUT_LEDGER = ("coolchic",)
"""Its stream does not tell what is header."""
_FOR_DIGITS = ("qcae", "qcae-any", "qcae-paper", "qcae-rd")


def _scene(frames: int, height: int, width: int, channels: int) -> np.ndarray:
    """A soft gradient with a square that moves two pixels a frame and a little noise."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[:height, :width]
    scene = np.empty((frames, height, width, channels))
    for t in range(frames):
        for c in range(channels):
            scene[t, ..., c] = 60 + 90 * ((x + (c + 1) * y) % 97) / 97
        scene[t, height // 4 : height // 2, 2 * t : 2 * t + width // 4, 0] = 220
    scene += rng.normal(0, 2, scene.shape)
    pixels = np.clip(np.rint(scene), 0, 255).astype(np.uint8)
    return pixels[..., 0] if channels == 1 else pixels


def _strokes(frames: int) -> np.ndarray:
    """A ring and a bar, bright on black and in motion: what networks for digits were made for."""
    y, x = np.mgrid[:64, :64]
    scene = []
    for t in range(frames):
        ring = np.clip(3.2 - np.abs(np.hypot((x - 20 - 2 * t) / 0.8, y - 26 - t) - 8), 0, 1)
        bar = np.clip(3 - np.abs(x - 44 + t + (y - 36) / 4), 0, 1) * (np.abs(y - 36) < 10)
        scene.append(np.rint(255 * np.maximum(ring, bar)).astype(np.uint8))
    return np.stack(scene)


def _yuv420(frames: int, height: int, width: int) -> Signal:
    layout = Layout("video", YUV420, width, height, frames)
    rng = np.random.default_rng(5)
    planes = [
        np.concatenate(
            [np.linspace(40, 200, h * w) + rng.normal(0, 2, h * w) for h, w in layout.plane_shapes]
        ).astype(np.uint8)
        for _ in range(frames)
    ]
    return Signal(layout, lambda: iter(planes))


@cache
def _signals() -> dict[str, Signal]:
    return {
        "rgb": image(_scene(1, 72, 96, 3)[0]),
        "gray": image(_scene(1, 64, 64, 1)[0]),
        "odd": image(_scene(1, 67, 73, 3)[0]),
        "gray-odd": image(_scene(1, 35, 33, 1)[0]),
        "pixel": image(_scene(1, 1, 1, 3)[0]),
        "row": image(_scene(1, 1, 9, 3)[0]),
        "column": image(_scene(1, 70, 1, 1)[0]),
        "wide": image(_scene(1, 8, 1500, 3)[0]),
        "gray-clip": clip(_scene(5, 64, 64, 1)),
        "strokes": clip(_strokes(5)),
        "rgb-clip": clip(_scene(3, 66, 70, 3)),
        "one-frame-clip": clip(_scene(1, 64, 64, 1)),
        "yuv420-clip": _yuv420(3, 64, 80),
        "yuv420-odd": _yuv420(2, 65, 71),
        "thumbnail": image(_scene(1, 32, 32, 3)[0]),
        "vectors": vectors(np.random.default_rng(2).normal(size=(32, 64))),
        "vectors-of-100": vectors(np.random.default_rng(2).normal(size=(32, 100))),
    }


SIGNALS = sorted(_signals())


@cache
def _card(name: str) -> CodecCard:
    return select(load_registry(), _SHORTENED.get(name, name))


def _built(name: str) -> Codec:
    codec: Codec = build_codec(_card(name))
    return codec


@cache
def _codec(name: str) -> Codec:
    return _built(name)


@cache
def _other(name: str) -> Codec:
    """Another instance, which decodes what the first has encoded."""
    return _built(name)


@cache
def _encoded(name: str, kind: str, point: Point) -> Encoded:
    """A stream is coded once, whoever looks at it."""
    return _codec(name).encode(_signals()[kind], point)


def _pairs(kinds: list[str]) -> list[Any]:
    """Codec and signal for every signal of a medium that the codec's card names."""
    return [
        (name, kind)
        for name in CARDS
        for kind in kinds
        if _signals()[kind].layout.media in _card(name).media
    ]


def _available(name: str) -> Codec:
    """The codec, or a skip with its reason."""
    codec = _codec(name)
    try:
        codec.check_available()
    except Unavailable as error:
        pytest.skip(str(error))
    return codec


def _skip_refused(codec: Codec, name: str, signal: Signal) -> None:
    """Skips what the codec cannot code, which it must say in a sentence."""
    reason = codec.refusal(signal.layout)
    if reason is not None:
        assert len(reason.split()) > 4, f"{name}: {reason!r} is no sentence"
        pytest.skip(reason)


def _easy(name: str) -> str:
    """The kind of a signal that the codec takes; a codec that refuses all would not be tested."""
    for kind in ("rgb", "gray-clip", "gray", "thumbnail", "vectors", "vectors-of-100"):
        signal = _signals()[kind]
        fits = signal.layout.media in _card(name).media
        if fits and _codec(name).refusal(signal.layout) is None:
            return kind
    pytest.fail(f"{name} takes none of the signals here: add one that it takes")


def _middle(name: str) -> Point:
    ladder = _card(name).ladder
    return ladder[len(ladder) // 2]


def _same_kind(decoded: Layout, source: Layout) -> bool:
    return (decoded.samples, decoded.frame_shape, decoded.frames) == (
        source.samples,
        source.frame_shape,
        source.frames,
    )


def _psnr(decoded: Signal, source: Signal) -> float:
    error = np.mean((decoded.array().astype(float) - source.array()) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


@pytest.mark.parametrize("name", CARDS)
def test_settings_and_ladder_are_in_range(name: str) -> None:
    card = _card(name)
    check_values(card, adapter_class(card))
    assert card.title
    assert len({str(point) for point in card.ladder}) == len(card.ladder)


@pytest.mark.parametrize("name", CARDS)
def test_versions_are_named(name: str) -> None:
    codec = _available(name)
    versions = codec.versions()
    assert all(isinstance(word, str) and word for pair in versions.items() for word in pair)
    assert versions == _other(name).versions()


@pytest.mark.parametrize("name", CARDS)
def test_a_device_is_named_by_those_whose_bits_depend_on_it(name: str) -> None:
    """And those alone decode in a second way, which must give the same picture but for rounding.
    Besides networks that are in the package, these are encoders that train one."""
    codec = _available(name)
    learned = isinstance(codec, LearnedCodec)
    dependent = learned or not _card(name).deterministic
    assert bool(codec.device_kind()) == dependent
    assert learned or codec.complexity() is None
    payload = _encoded(name, _easy(name), _middle(name)).payload
    elsewhere = codec.decode_elsewhere(payload)
    assert (elsewhere is not None) == dependent
    if elsewhere is not None:
        here = codec.decode(payload).array().astype(float)
        assert np.abs(elsewhere.array() - here).max() <= 1


@pytest.mark.parametrize(("name", "kind"), _pairs(SIGNALS))
def test_round_trip_in_another_instance(name: str, kind: str) -> None:
    signal, codec = _signals()[kind], _available(name)
    _skip_refused(codec, name, signal)
    encoded = _encoded(name, kind, _middle(name))
    assert (encoded.header_bytes is None) == (name in _WITHOUT_LEDGER)
    assert 0 <= (encoded.header_bytes or 0) <= len(encoded.payload)
    assert encoded.discarded_bytes >= 0
    decoded = _other(name).decode(encoded.payload)
    assert _same_kind(decoded.layout, signal.layout)
    frames = rounded(decoded, signal.layout.depth).array()
    assert frames.shape == (signal.layout.frames, *signal.layout.frame_shape)
    assert frames.dtype == signal.layout.frame_dtype
    if codec.lossless:
        assert (frames == signal.array()).all()
    elif name not in _FOR_DIGITS or kind == "strokes":
        _shows_the_source(frames, signal)


def _shows_the_source(frames: np.ndarray, signal: Signal) -> None:
    """Also in the middle of the ladder, and of any size, a picture is nearer to its source than one
    that knows nothing but its mean; of a few pixels, which may be flat, it is within 24 dB."""
    source = signal.array().astype(float)
    error = float(np.mean((frames - source) ** 2))
    least = 0 if signal.layout.samples == "real" else 255**2 / 10**2.4
    assert error < max(0.9 * float(np.var(source)), least)


@pytest.mark.parametrize(("name", "kind"), _pairs(["rgb", "gray-clip"]))
def test_the_picture_is_the_source(name: str, kind: str) -> None:
    """A swapped channel, a shifted frame or a wrong range costs far more than coding does."""
    if name in _FOR_DIGITS and kind == "gray-clip":
        kind = "strokes"  # these networks were made for nothing else
    signal, codec = _signals()[kind], _available(name)
    _skip_refused(codec, name, signal)
    ladder = _card(name).ladder
    best = max(
        _psnr(codec.decode(_encoded(name, kind, point).payload), signal)
        for point in {ladder[0], ladder[-1]}
    )
    assert best > 24, f"{best:.1f} dB at the better end of the ladder"


@pytest.mark.parametrize("name", CARDS)
def test_same_input_gives_same_bytes(name: str) -> None:
    _available(name)
    if not _card(name).deterministic:
        pytest.skip(f"the card of {name} does not promise it")
    kind, point = _easy(name), _middle(name)
    first = _encoded(name, kind, point).payload
    assert _built(name).encode(_signals()[kind], point).payload == first


@pytest.mark.parametrize("name", CARDS)
def test_broken_payloads_are_refused(name: str) -> None:
    """Empty, foreign and cut payloads raise; they never hang and never give another size."""
    codec, kind = _available(name), _easy(name)
    payload, signal = _encoded(name, kind, _middle(name)).payload, _signals()[kind]
    for broken in [b"", b"\0", b"not a bitstream of any codec", payload[: len(payload) // 8]]:
        with pytest.raises(CodecError):
            codec.decode(broken).array()
    for cut in [len(payload) // 2, len(payload) - 1]:
        _raises_or_keeps_the_size(codec, payload[:cut], signal)
    middle = len(payload) // 2
    flipped = payload[:middle] + bytes([payload[middle] ^ 0x55]) + payload[middle + 1 :]
    _raises_or_keeps_the_size(codec, flipped, signal)


def _raises_or_keeps_the_size(codec: Codec, payload: bytes, signal: Signal) -> None:
    """Damage in entropy-coded data can be undetectable, but must not change the layout."""
    try:
        decoded = codec.decode(payload)
    except BenchError as error:
        assert isinstance(error, CodecError)
        return
    assert _same_kind(decoded.layout, signal.layout)


@pytest.mark.parametrize(("name", "kind"), _pairs(["rgb", "rgb-clip"]))
def test_colour_path_keeps_the_layout_and_bounds_the_quality(name: str, kind: str) -> None:
    signal, codec = _signals()[kind], _available(name)
    _skip_refused(codec, name, signal)
    path = codec.colour_path(signal)
    if path is not None:
        assert _same_kind(path.layout, signal.layout)
        assert _psnr(path, signal) > 24


def test_most_codecs_take_most_signals() -> None:
    """A refusal is an answer, but the suite would prove nothing if all refused."""
    for name in ["jpeg", "webp", "x264", "x265", "vvenc", "svtav1", "vp9"]:
        codec = _codec(name)
        taken = sum(codec.refusal(signal.layout) is None for signal in _signals().values())
        assert taken >= 11, f"{name} takes {taken} of {len(SIGNALS)} signals"
