"""A model of a user's own: a card alone, whatever its strings, shapes and stride."""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("compressai")

from bench.cards import CodecCard, read_codec
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.errors import BitstreamError, CardError, CodecError, Unavailable
from bench.records import Point
from bench.signals import RGB, YUV420, PixelFormat, Signal, clip, image
from tests.pictures import picture
from tests.system.with_torch.codecs.here import Here
from tests.system.with_torch.codecs.user_networks import MODELS


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a user has it: models and checkpoints of two points."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "usernets.py").write_text(MODELS)
    (folder / "checkpoints").mkdir()
    scope: dict[str, type[torch.nn.Module]] = {}
    exec(compile(MODELS, "usernets.py", "exec"), scope)
    for name, points in {
        "MyNet": (1, 2),
        "Latent": (1,),
        "ForwardOnly": (1,),
        "Strange": (1,),
        "Copy": (1,),
        "Stepwise": (1,),
    }.items():
        for point in points:
            torch.manual_seed(point)
            model = scope[name]()
            torch.save(
                {"state_dict": model.state_dict()}, folder / "checkpoints" / f"{name}-{point}.pth"
            )
    return folder


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are about what is said to a network, and need no processes."""
    if "apart" not in request.node.name:
        monkeypatch.setattr("bench.codecs.compressai_model.Apart", Here)


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.delitem(sys.modules, "usernets", raising=False)


def card(
    folder: Path,
    model: str,
    ladder: str = "",
    extra: str = "",
    video: bool = False,
    weights: str = "",
) -> CodecCard:
    kind = "CompressAIVideoModel" if video else "CompressAIModel"
    weights = f"checkpoints/{weights or model}-{'{lmbda}' if 'lmbda' in ladder else '1'}.pth"
    path = folder / f"{model.lower()}.toml"
    path.write_text(
        textwrap.dedent(f"""
        title = "{model}"
        adapter = "bench.codecs.compressai_model:{kind}"
        media = ["{"video" if video else "image"}"]
        [settings]
        model = "usernets:{model}"
        weights = "{weights}"
        {extra}
        {ladder}
        """)
    )
    read_codec.cache_clear()
    return read_codec(path)


def built(card: CodecCard) -> Codec:
    codec = build_codec(card)
    codec.check_available()
    return codec


LADDER = "[ladder]\nlmbda = [1, 2]"
ONLY = Point("mode", "only")


def test_a_card_alone_codes_both_points_apart_and_each_knows_its_network(tmp_path: Path) -> None:
    mine = card(tmp_path, "MyNet", LADDER, "[settings.arguments]\nN = 8\nM = 12")
    pixels = picture(70, 101)
    payloads = {}
    for point in mine.ladder:
        encoded = built(mine).encode(image(pixels), point)
        decoded = built(mine).decode(encoded.payload)
        assert decoded.layout.height == 70 and decoded.layout.width == 101
        payloads[point] = decoded.sha256()
        estimate = built(mine).estimate(image(pixels), point)
        assert encoded.header_bytes is not None and estimate is not None
        content = 8 * (len(encoded.payload) - encoded.header_bytes)
        assert content == pytest.approx(estimate, rel=0.2, abs=400)
    assert len(set(payloads.values())) == 2


def test_it_decodes_to_what_the_model_itself_decodes(tmp_path: Path) -> None:
    from usernets import MyNet

    mine = card(tmp_path, "MyNet", LADDER)
    pixels = picture(64, 128)
    model = MyNet.from_state_dict(torch.load("checkpoints/MyNet-1.pth")["state_dict"]).eval()
    model.update()
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        coded = model.compress(x)
        expected = model.decompress(coded["strings"], coded["shape"])["x_hat"][0]
    encoded = built(mine).encode(image(pixels), Point("lmbda", 1))
    for strings in coded["strings"]:
        assert strings[0] in encoded.payload
    decoded = built(mine).decode(encoded.payload).array()[0]
    rounded = (expected * 255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(decoded, rounded)


def test_a_stream_whose_structure_stands_in_it_is_decoded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As all did once: ten bytes more."""
    codec, signal = built(card(tmp_path, "MyNet", LADDER)), image(picture(70, 101))
    short = codec.encode(signal, Point("lmbda", 1))
    with monkeypatch.context() as patch:
        patch.setattr("bench.codecs.compressai_model._Head.usual", lambda *_: None)
        long = codec.encode(signal, Point("lmbda", 1))
    assert len(long.payload) - len(short.payload) == 10
    assert codec.decode(long.payload).sha256() == codec.decode(short.payload).sha256()


def test_latent_codecs_with_tables_of_shapes_and_another_stride(tmp_path: Path) -> None:
    mine = card(tmp_path, "Latent")
    pixels = picture(33, 41)
    encoded = built(mine).encode(image(pixels), ONLY)
    decoded = built(mine).decode(encoded.payload)
    assert decoded.layout.frame_shape == (33, 41, 3)
    gray = built(mine).encode(image(pixels[..., 0].copy()), ONLY)
    assert built(mine).decode(gray.payload).layout.frame_shape == (33, 41)


def test_a_model_of_forward_alone_has_an_estimate_and_no_stream(tmp_path: Path) -> None:
    encoded = built(card(tmp_path, "ForwardOnly")).encode(image(picture(64, 64)), ONLY)
    assert (encoded.rate, encoded.payload) == ("estimated", b"")
    assert encoded.bits_estimated == 64.0
    assert encoded.reconstruction is not None
    assert encoded.reconstruction.array().max() == 128


def test_what_no_stream_can_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(CodecError, match=r"compress returned a set \(\{1, 2\}\)"):
        built(card(tmp_path, "Strange")).encode(image(picture(64, 64)), ONLY)


def test_one_checkpoint_is_one_point(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "twice.toml"
    mine = card(tmp_path, "MyNet", LADDER)
    path.write_text(mine.path.read_text().replace("MyNet-{lmbda}", "MyNet-1"))
    with pytest.raises(CardError, match="neither weights nor call reads lmbda"):
        built(read_codec(path))


def test_copies_of_one_checkpoint_are_one_point(tmp_path: Path, home: Path) -> None:
    copy = home / "checkpoints" / "MyNet-3.pth"
    copy.write_bytes((home / "checkpoints" / "MyNet-1.pth").read_bytes())
    with pytest.raises(CardError, match="lmbda=1 and lmbda=3 are one checkpoint"):
        built(card(tmp_path, "MyNet", "[ladder]\nlmbda = [1, 3]"))
    copy.unlink()


def test_missing_checkpoints_and_models_say_where_they_were_looked_for(tmp_path: Path) -> None:
    said = r"no checkpoint for lmbda=7: .*MyNet-7\.pth or .* is there: mynet:lmbda=1\+2$"
    with pytest.raises(Unavailable, match=said):
        built(card(tmp_path, "MyNet", "[ladder]\nlmbda = [1, 7, 2]"))
    with pytest.raises(Unavailable, match=r"no checkpoint for lmbda=7: .* is missing$"):
        built(card(tmp_path, "MyNet", "[ladder]\nlmbda = [7]"))
    (Path("checkpoints") / "Gone-1.pth").touch()
    with pytest.raises(
        CodecError, match=r"cannot be imported: usernets \(.*\) has no class .* Gone"
    ):
        built(card(tmp_path, "Gone")).versions()
    with pytest.raises(CodecError, match=r"does not fit usernets:MyNet with arguments \{'N': 9\}"):
        mine = card(tmp_path, "MyNet", LADDER, "[settings.arguments]\nN = 9")
        built(mine).encode(image(picture(64, 64)), Point("lmbda", 1))


def test_streams_of_other_weights_and_damaged_ones_are_refused(tmp_path: Path) -> None:
    mine = card(tmp_path, "MyNet", LADDER)
    payload = built(mine).encode(image(picture(64, 64)), Point("lmbda", 1)).payload
    alone = card(tmp_path, "MyNet", "[ladder]\nlmbda = [2]")
    with pytest.raises(BitstreamError):
        built(alone).decode(payload)
    for place in range(0, len(payload), 7):
        damaged = bytearray(payload)
        damaged[place] ^= 0x41
        with pytest.raises(BitstreamError):
            built(mine).decode(bytes(damaged))


def test_a_video_model_of_the_ssf_kind(tmp_path: Path, home: Path) -> None:
    from usernets import tiny_flow

    torch.manual_seed(0)
    torch.save(tiny_flow().state_dict(), home / "checkpoints" / "tiny_flow-1.pth")
    codec = built(card(tmp_path, "tiny_flow", video=True))
    frames = np.stack([picture(60, 90, seed) for seed in range(2)])
    encoded = codec.encode(clip(frames), ONLY)
    assert encoded.frame_bytes is not None and len(encoded.frame_bytes) == 2
    assert min(encoded.frame_bytes) > 0
    assert sum(encoded.frame_bytes) == len(encoded.payload) - (encoded.header_bytes or 0)
    assert codec.decode(encoded.payload).layout.frames == 2
    assert codec.estimate(clip(frames), ONLY) is not None


CALLS = {
    "argument": '[call]\ncompress = { step = "{q}" }\ndecompress = { step = "{q}" }',
    "attribute": '[call]\nset = { step = "{q}" }',
    "function": '[call]\npoint = "usernets:set_step"',
}
FORCED = "[settings.update]\nforce = true\n"
PIXELS = picture(64, 64)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_operating_point_reaches_one_checkpoint_and_its_value_is_counted(
    tmp_path: Path, call: str
) -> None:
    codec = built(card(tmp_path, "Copy", f"{call}\n[ladder]\nq = [1, 8, 300]", FORCED))
    sizes = {}
    for point in codec.card.ladder:
        encoded = codec.encode(image(PIXELS), point)
        sizes[point.value] = len(encoded.payload) - 3 * 64 * 64
        expected = np.rint(np.clip(np.rint(PIXELS / point.value), 0, 255) * point.value)
        decoded = codec.decode(encoded.payload).array()[0]
        np.testing.assert_allclose(decoded, expected.clip(0, 255), atol=1)
        assert encoded.header_bytes == sizes[point.value]
    # a value below 32 takes one byte more than no value, one of 300 two
    assert sizes[300] - sizes[8] == 1 and sizes[8] == sizes[1]


def test_what_the_encoder_alone_reads_is_not_in_the_stream(tmp_path: Path) -> None:
    told = card(tmp_path, "Copy", f"{CALLS['argument']}\n[ladder]\nq = [1]", FORCED)
    inside = len(built(told).encode(image(PIXELS), Point("q", 1)).payload)
    call = '[call]\ncompress = { step = "{q}" }\n[ladder]\nq = [1]'
    alone = built(card(tmp_path, "Copy", call, FORCED)).encode(image(PIXELS), Point("q", 1))
    assert len(alone.payload) == inside - 1


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("[ladder]\nq = [1]", "neither weights nor call reads q: all its values would be one"),
        ('[call]\ncompress = { step = "{p}" }\n[ladder]\nq = [1]', r"call has the placeholder {p}"),
        ('[call]\ncompres = { step = "{q}" }\n[ladder]\nq = [1]', "unknown call 'compres'"),
        ('[call]\nset = "step"\n[ladder]\nq = [1]', "call.set is 'step'; write"),
    ],
)
def test_points_that_nothing_reads_are_refused(tmp_path: Path, extra: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        built(card(tmp_path, "Copy", extra, FORCED))


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("", r"update\(\) failed \(RuntimeError: call update\(force=True\)\)"),
        ('[call]\nset = { gain = "{q}" }\n[ladder]\nq = [1]', "call.set names gain, which the net"),
        ('[call]\ncompress = { gain = "{q}" }\n[ladder]\nq = [1]', "unexpected keyword argument"),
    ],
)
def test_what_a_network_does_not_take_fails_by_name(tmp_path: Path, extra: str, said: str) -> None:
    codec = built(card(tmp_path, "Copy", extra, FORCED if extra else ""))
    with pytest.raises(CodecError, match=said):
        codec.encode(image(PIXELS), codec.card.ladder[0])


@pytest.mark.parametrize(
    "update", [FORCED, '[settings.update]\nfunction = "usernets:force"\ntimes = 2']
)
@pytest.mark.parametrize("model", ["Copy", "Inherits", "Bare", "Pair", "Needs"])
def test_whatever_compress_returns_reaches_decompress(
    tmp_path: Path, model: str, update: str
) -> None:
    codec = built(card(tmp_path, model, extra=update, weights="Copy"))
    encoded = codec.encode(image(PIXELS), ONLY)
    decoded = codec.decode(encoded.payload).array()[0]
    mean = np.full_like(PIXELS, np.rint(PIXELS.mean()))
    np.testing.assert_array_equal(decoded, mean if model == "Needs" else PIXELS)
    assert len(encoded.payload) - 3 * 64 * 64 < (80 if model == "Needs" else 40)


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ("255.0", r"samples from 0 to 255; return 0–1, not 0–255"),
        ("-255.0", r"samples from -255 to -?0; a picture is 0–1; is the network trained"),
        ("-1", "12288 of 12288 samples"),
        ("0", r"returned torch\.uint8, not floats in 0–1"),
        ("2", "returned two pictures; return x_hat alone"),
        ("1.3", ""),
    ],
)
def test_another_range_and_nan_fail_and_an_overshoot_is_cut(
    tmp_path: Path, gain: str, said: str
) -> None:
    call = f"[call]\ndecompress = {{ gain = {gain} }}"
    codec = built(card(tmp_path, "Gains", call, FORCED, weights="Copy"))
    payload = codec.encode(image(PIXELS), ONLY).payload
    if said:
        with pytest.raises(CodecError, match=said):
            codec.decode(payload)
    else:
        expected = np.rint(np.minimum(PIXELS * 1.3, 255))
        np.testing.assert_allclose(codec.decode(payload).array()[0], expected, atol=1)


def test_a_network_of_one_gray_channel(tmp_path: Path) -> None:
    codec = built(card(tmp_path, "Copy", extra=f"channels = 1\n{FORCED}"))
    encoded = codec.encode(image(PIXELS[..., 0].copy()), ONLY)
    assert len(encoded.payload) < 64 * 64 + 40
    np.testing.assert_array_equal(codec.decode(encoded.payload).array()[0], PIXELS[..., 0])
    assert codec.refusal(image(PIXELS).layout) == "copy codes gray samples, not rgb"


def test_padding_is_centred_where_the_card_says_so(tmp_path: Path) -> None:
    small = picture(50, 61)
    codec = built(card(tmp_path, "Copy", extra=f'padding = "centre-zero"\nstride = 64\n{FORCED}'))
    payload = codec.encode(image(small), ONLY).payload
    sent = np.frombuffer(payload[-3 * 64 * 64 :], np.uint8).reshape(3, 64, 64)
    expected = np.zeros_like(sent)
    expected[:, 7 : 7 + 50, 1 : 1 + 61] = small.transpose(2, 0, 1)
    np.testing.assert_array_equal(sent, expected)
    np.testing.assert_array_equal(codec.decode(payload).array()[0], small)


@pytest.mark.parametrize(
    ("saved", "part"),
    [
        (lambda s: {"net": s, "epoch": 3}, ""),
        (lambda s: {"ema": {"module": s}}, ""),
        (
            lambda s: {
                "model": {f"module.{k}": v for k, v in s.items()},
                "optimizer": {"state": {}},
            },
            "",
        ),
        (lambda s: {"model": s, "ema": {k: v * 0 for k, v in s.items()}}, "model"),
    ],
)
def test_layouts_of_checkpoints(tmp_path: Path, home: Path, saved: Any, part: str) -> None:
    state = {"level": torch.tensor(0.25)}
    torch.save(saved(state), home / "checkpoints" / "Layout-1.pth")
    if part:
        mine = card(tmp_path, "ForwardOnly", weights="Layout")
        with pytest.raises(CodecError, match="holds model and ema, which both fit; name one"):
            built(mine).encode(image(PIXELS), ONLY)
    mine = card(tmp_path, "ForwardOnly", extra=f'part = "{part}"', weights="Layout")
    found = built(mine).encode(image(PIXELS), ONLY).reconstruction
    assert found is not None and found.array().max() == 64


@pytest.mark.parametrize(
    ("model", "state", "said"),
    [
        (
            "Loose",
            "renamed",
            r"missing in the checkpoint: g_a.0.weight.*; unknown to the network: enc",
        ),
        ("Drops", {"level": 0.25}, "it does not take over level"),
        ("ForwardOnly", {"level": 0.25, "extra": 1.0}, 'unknown .*: extra; .*ignore = "NAME\\*"'),
        ("ForwardOnly", "ignored", r"ignore = 'lev\* x' leaves nothing of the checkpoint"),
        ("ForwardOnly", "namespace", "holds the class argparse.Namespace, and unpickling it runs"),
        ("ForwardOnly", "text", "is no readable PyTorch checkpoint"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused_by_its_names(
    tmp_path: Path, home: Path, model: str, state: Any, said: str
) -> None:
    path = home / "checkpoints" / "Wrong-1.pth"
    if state == "renamed":
        right = torch.load(home / "checkpoints" / "MyNet-1.pth")["state_dict"]
        torch.save({key.replace("g_a", "enc"): value for key, value in right.items()}, path)
    elif state == "namespace":
        torch.save({"args": argparse.Namespace(a=1), "net": {}}, path)
    elif state == "text":
        path.write_text("no checkpoint")
    elif state == "ignored":
        torch.save({"level": torch.tensor(0.25)}, path)
    else:
        torch.save({key: torch.tensor(value) for key, value in state.items()}, path)
    more = 'ignore = "lev* x"' if state == "ignored" else ""
    with pytest.raises(CodecError, match=said):
        built(card(tmp_path, model, extra=more, weights="Wrong")).encode(image(PIXELS), ONLY)


def test_an_infinite_estimate_without_a_stream_fails(tmp_path: Path) -> None:
    codec = built(card(tmp_path, "Endless", weights="ForwardOnly"))
    with pytest.raises(CodecError, match="the estimated rate, which is all, is inf bits"):
        codec.encode(image(PIXELS), ONLY)


def test_a_forward_that_fails_hinders_no_coding(tmp_path: Path) -> None:
    codec = built(card(tmp_path, "OnlyCodes", extra=FORCED, weights="Copy"))
    signal = image(PIXELS)
    codec.warm_up(signal, ONLY)
    assert codec.complexity() is None
    np.testing.assert_array_equal(
        codec.decode(codec.encode(signal, ONLY).payload).array()[0], PIXELS
    )
    with pytest.raises(CodecError, match=r"ValueError: for training at usernets\.py"):
        codec.estimate(signal, ONLY)


@pytest.mark.parametrize("samples", ["rgb", "yuv420"])
def test_a_video_model_a_frame_at_a_time(tmp_path: Path, samples: str) -> None:
    extra = f'samples = "{samples}"\nstride = 16'
    codec = built(card(tmp_path, "Stepwise", extra=extra, video=True))
    rgb = np.stack([picture(29, 43, seed) for seed in range(3)])
    planes = np.stack([frame.ravel()[: 29 * 43 + 2 * 15 * 22] for frame in rgb])
    layout = replace(clip(rgb).layout, format=PixelFormat(samples))
    signal = Signal(layout, lambda: iter(planes if samples == "yuv420" else rgb))
    encoded = codec.encode(signal, ONLY)
    one = 2 * (3 * 32 * 48 if samples == "rgb" else 32 * 48 + 2 * 16 * 24)
    assert encoded.frame_bytes == (one, one, one)
    np.testing.assert_array_equal(codec.decode(encoded.payload).array(), signal.array())
    other = replace(layout, format=RGB if samples == "yuv420" else YUV420)
    assert codec.refusal(other) is not None


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_network_that_needs_a_gpu_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="needsgpu needs a CUDA device"):
        built(card(tmp_path, "NeedsGpu", weights="Copy")).encode(image(PIXELS), ONLY)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_gpu_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="mynet: no CUDA device is visible; run with --device"):
        build_codec(card(tmp_path, "MyNet", LADDER), device="cuda").check_available()
