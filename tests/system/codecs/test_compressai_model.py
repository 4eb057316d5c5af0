"""A model of a user's own: a card alone, whatever its strings, shapes and stride."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

pytest.importorskip("compressai")

from bench.cards import CodecCard, read_codec
from bench.codecs.base import Codec
from bench.codecs.build import build_codec
from bench.errors import BitstreamError, CardError, CodecError, Unavailable
from bench.records import Point
from bench.signals import clip, image
from tests.system.codecs.tiny_zoo import picture

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
        return {"strings": [[b"a"]], "shape": 0.5}

    def decompress(self, strings, shape):
        return {"x_hat": torch.zeros(1, 3, 64, 64)}


def tiny_flow():
    return ScaleSpaceFlow(num_levels=2)
"""


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
    }.items():
        for point in points:
            torch.manual_seed(point)
            model = scope[name]()
            torch.save(
                {"state_dict": model.state_dict()}, folder / "checkpoints" / f"{name}-{point}.pth"
            )
    return folder


@pytest.fixture(autouse=True)
def at_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))


def card(
    folder: Path, model: str, ladder: str = "", extra: str = "", video: bool = False
) -> CodecCard:
    kind = "CompressAIVideoModel" if video else "CompressAIModel"
    weights = (
        f"checkpoints/{model}-{{lmbda}}.pth" if "lmbda" in ladder else f"checkpoints/{model}-1.pth"
    )
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


def test_a_card_alone_codes_both_points_and_each_knows_its_network(tmp_path: Path) -> None:
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
    with pytest.raises(CodecError, match=r"compress returned a float \(0\.5\)"):
        built(card(tmp_path, "Strange")).encode(image(picture(64, 64)), ONLY)


def test_one_checkpoint_is_one_point(tmp_path: Path, home: Path) -> None:
    path = tmp_path / "twice.toml"
    mine = card(tmp_path, "MyNet", LADDER)
    path.write_text(mine.path.read_text().replace("MyNet-{lmbda}", "MyNet-1"))
    with pytest.raises(CardError, match="lmbda=1 and lmbda=2 are one checkpoint"):
        built(read_codec(path))


def test_copies_of_one_checkpoint_are_one_point(tmp_path: Path, home: Path) -> None:
    copy = home / "checkpoints" / "MyNet-3.pth"
    copy.write_bytes((home / "checkpoints" / "MyNet-1.pth").read_bytes())
    with pytest.raises(CardError, match="lmbda=1 and lmbda=3 are one checkpoint"):
        built(card(tmp_path, "MyNet", "[ladder]\nlmbda = [1, 3]"))
    copy.unlink()


def test_missing_checkpoints_and_models_say_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no checkpoint for lmbda=7: .*MyNet-7\.pth or "):
        built(card(tmp_path, "MyNet", "[ladder]\nlmbda = [1, 7]"))
    with pytest.raises(CardError, match=r"'usernets:Gone' cannot be imported"):
        built(card(tmp_path, "Gone"))
    with pytest.raises(CardError, match=r"does not fit usernets:MyNet with arguments \{'N': 9\}"):
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
    frames = np.stack([picture(60, 90, seed) for seed in range(3)])
    encoded = codec.encode(clip(frames), ONLY)
    assert codec.decode(encoded.payload).layout.frames == 3
    assert codec.estimate(clip(frames), ONLY) is not None
