"""Perceptual metrics against literal values of their reference implementations.

SSIMULACRA 2: libjxl's own tool, 0.11.2; Butteraugli: libjxl's tool, 0.7.0; VIF: sewar 0.4.10 on
luma; HaarPSI: the authors' numpy code; CIEDE2000: scikit-image 0.26 with libvmaf's weights.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from shutil import which

import numpy as np
import pytest
import skimage.data

from bench.errors import Unavailable
from bench.metrics import packages, registry
from bench.metrics.base import BatchMetric
from bench.metrics.evaluate import Evaluator
from bench.metrics.info import MetricInfo
from bench.metrics.registry import metrics
from bench.signals import REAL, Layout, PixelFormat, Signal, clip, image

SOURCE = skimage.data.astronaut()[40:296, 100:420].copy()
COARSE = ((SOURCE // 24) * 24 + 12).clip(0, 255).astype(np.uint8)
_SUM = sum(np.roll(SOURCE.astype(int), shift, (0, 1)) for shift in ((0, 0), (1, 0), (0, 1), (1, 1)))
BLURRED = (np.asarray(_SUM) // 4).astype(np.uint8)
PERCEPTUAL = (
    *("psnr_hvs", "ciede2000", "ssimulacra2", "butteraugli", "vif", "haarpsi", "lpips_alex"),
    *("lpips_vgg", "dists", "cvvdp"),
)


def able(name: str) -> bool:
    try:
        metrics()[name].check_available()
    except Unavailable:
        return False
    return True


def value(name: str, source: np.ndarray, decoded: np.ndarray) -> float:
    if not able(name):
        pytest.skip(f"{name} is not available here")
    return Evaluator(image(source), (name,)).score(image(decoded)).values[name]


@pytest.mark.parametrize(
    ("name", "decoded", "expected", "within"),
    [
        ("ssimulacra2", COARSE, 39.07413, 0.02),
        ("ssimulacra2", BLURRED, 49.46051, 0.02),
        ("butteraugli", COARSE, 3.449743, 0.1),
        ("vif", COARSE, 0.642176, 1e-4),
        ("vif", BLURRED, 0.504270, 1e-4),
        ("haarpsi", COARSE, 0.890466, 1e-4),
        ("ciede2000", COARSE, 32.19306, 0.25),
        ("ciede2000", BLURRED, 36.38353, 0.25),
        # ffmpeg's libvmaf on two 4:4:4 Y4M files of limited range, as in test_filters.py
        ("psnr_hvs", COARSE, 33.398089, 0.01),
        ("vmaf", COARSE, 83.36607, 0.5),
        ("cvvdp", COARSE, 9.108633, 1e-3),
    ],
)
def test_values_of_the_reference_implementations(
    name: str, decoded: np.ndarray, expected: float, within: float
) -> None:
    assert value(name, SOURCE, decoded) == pytest.approx(expected, abs=within)


def test_ssimulacra2_of_a_clip_is_the_mean_over_frames() -> None:
    """Of YUV as well, by a stated conversion: 4:4:4 in full range keeps gray as it is."""
    if not able("ssimulacra2"):
        pytest.skip("ssimulacra2 is not available here")
    found = Evaluator(clip(np.stack([SOURCE] * 2)), ("ssimulacra2",)).score(
        clip(np.stack([COARSE, BLURRED]))
    )
    assert found.values["ssimulacra2"] == pytest.approx((39.07413 + 49.46051) / 2, abs=0.02)
    layout = Layout("video", PixelFormat("yuv444", range="full"), 320, 256, 2)

    def planes(luma: np.ndarray) -> Signal:
        frame = np.concatenate([luma.ravel(), np.full(2 * luma.size, 128, np.uint8)])
        return Signal(layout, lambda: iter([frame] * 2))

    gray = [np.repeat(one[..., :1], 3, axis=2) for one in (SOURCE, COARSE)]
    told = Evaluator(planes(SOURCE[..., 0]), ("ssimulacra2",)).score(planes(COARSE[..., 0]))
    assert told.values["ssimulacra2"] == pytest.approx(value("ssimulacra2", *gray), abs=0.01)


@pytest.mark.parametrize("name", PERCEPTUAL)
def test_identical_pictures_are_the_best_there_is(name: str) -> None:
    same, other = value(name, SOURCE, SOURCE), value(name, SOURCE, COARSE)
    info = metrics()[name].info
    assert same > other if info.higher_is_better else same < other
    assert same == pytest.approx({"psnr_hvs": math.inf, "ciede2000": math.inf}.get(
        name, 100 if name == "ssimulacra2" else 10 if name == "cvvdp" else
        float(info.higher_is_better)), abs=1e-6)  # fmt: skip


@pytest.mark.parametrize(
    "name", ["ssimulacra2", "vif", "haarpsi", "psnr_hvs", "ciede2000", "vmaf", "vmaf_v1", "xpsnr"]
)
def test_odd_and_least_sizes(name: str) -> None:
    short, long_ = metrics()[name].info.smallest
    for height, width in ((short, long_), (max(short, 8) + 1, max(long_, 8) + 2)):
        assert math.isfinite(value(name, SOURCE[:height, :width], COARSE[:height, :width]))


def real(values: np.ndarray) -> Signal:
    layout = Layout("vector", REAL, values.shape[1], values.shape[0])
    return Signal(layout, lambda: iter(values[np.newaxis]))


@pytest.mark.parametrize("name", PERCEPTUAL)
def test_what_has_no_value_has_a_remark_and_never_a_zero(name: str) -> None:
    info = metrics()[name].info
    gray, tiny = image(SOURCE[..., 0].copy()), image(SOURCE[:1, :1].copy())
    inputs = {
        "on gray": gray,
        "pixels, has 1×1": tiny,
        "on vectors": real(np.random.default_rng(0).normal(size=(4, 9))),
        "on videos": clip(np.stack([SOURCE[:64, :64]] * 2)),
    }
    defined = {
        "on gray": "gray" in info.samples,
        "pixels, has 1×1": info.smallest == (1, 1),
        "on videos": "video" in info.media,
    }
    for words, signal in inputs.items():
        if defined.get(words):
            continue
        scores = Evaluator(signal, (name,)).score(signal)
        assert set(scores.values) == {"mse"}
        assert words in scores.remarks[name]


def test_gray_has_vif_and_haarpsi() -> None:
    for name in ("vif", "haarpsi"):
        assert 0.2 < value(name, SOURCE[..., 1].copy(), COARSE[..., 1].copy()) < 1


@pytest.mark.skipif(which("butteraugli_main") is None, reason="libjxl's tools are not installed")
def test_a_butteraugli_that_fails_leaves_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "butteraugli_main"
    tool.write_text("#!/bin/sh\necho out of memory >&2\nexit 3\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    scores = Evaluator(image(SOURCE), ("butteraugli",)).score(image(COARSE))
    assert scores.remarks == {"butteraugli": "butteraugli_main failed (3): out of memory"}


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        return None

    monkeypatch.setattr("bench.metrics.packages.find_spec", missing)
    with pytest.raises(Unavailable, match=r"pip install 'bench-rd\[perceptual\]'"):
        metrics()["ssimulacra2"].check_available()


def test_missing_and_damaged_weights_name_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cure = "run `python -m bench fetch alexnet-imagenet`"
    with pytest.raises(Unavailable, match=cure):
        packages.ALEXNET.check()
    monkeypatch.setenv("HOME", str(tmp_path))  # whose home it is belongs in no table
    with pytest.raises(Unavailable, match=r"are not at ~/hub/checkpoints/alexnet"):
        packages.ALEXNET.check()
    packages.ALEXNET.path.parent.mkdir(parents=True)
    packages.ALEXNET.path.write_bytes(b"no weights")
    with pytest.raises(Unavailable, match=f"not what it should be.*{cure}"):
        packages.ALEXNET.check()


def backbone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, object]
) -> packages.Backbone:
    """A backbone whose file holds ``state``."""
    import torch

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    made = packages.Backbone("made", "https://nowhere/made.pth", "")
    made.path.parent.mkdir(parents=True)
    torch.save(state, made.path)
    digest = hashlib.sha256(made.path.read_bytes()).hexdigest()
    return packages.Backbone("made", made.url, digest)


def test_lpips_is_the_packages_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a backbone of random weights, one by one and in a batch."""
    lpips = pytest.importorskip("lpips")
    import torch

    from bench.metrics.lpips import LpipsAlex
    from bench.metrics.packages import as_tensor

    torch.manual_seed(0)
    model = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    state = {f"features.{k.partition('.')[2]}": v for k, v in model.net.state_dict().items()}
    monkeypatch.setattr(LpipsAlex, "backbone", backbone(tmp_path, monkeypatch, state))
    pair = [as_tensor(one, "cpu") / 127.5 - 1 for one in (SOURCE, COARSE)]
    expected = float(model(*pair))
    assert value("lpips_alex", SOURCE, COARSE) == pytest.approx(expected, rel=1e-5)
    metric = LpipsAlex()
    both = metric.score_many(metric.prepare(SOURCE), [COARSE, SOURCE])
    assert both == pytest.approx([expected, 0.0], rel=1e-5, abs=1e-7)


def test_dists_is_the_packages_own(monkeypatch: pytest.MonkeyPatch) -> None:
    package = pytest.importorskip("DISTS_pytorch")
    import torch
    import torchvision

    from bench.metrics import dists
    from bench.metrics.packages import as_tensor

    def random_features(**_: object) -> object:
        torch.manual_seed(1)
        layers = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["D"])
        return type("Network", (), {"features": layers})()

    monkeypatch.setattr(torchvision.models, "vgg16", random_features)
    monkeypatch.setattr(packages.Backbone, "check", lambda self: None)
    dists._model.cache_clear()
    model = package.DISTS(load_weights=False)
    weights = torch.load(Path(package.__file__).parent / "weights.pt", weights_only=True)
    model.alpha.data, model.beta.data = weights["alpha"], weights["beta"]
    pair = [as_tensor(one[:96, :96], "cpu") / 255 for one in (SOURCE, COARSE)]
    found = value("dists", SOURCE[:96, :96], COARSE[:96, :96])
    assert found == pytest.approx(float(model(*pair)), rel=1e-4)


class Counting(BatchMetric[int]):
    """Mean difference; remembers how many frames came at once."""

    info = MetricInfo(
        id="counting", title="Counting", definition="", purpose="", tolerance=1, samples=("rgb",)
    )
    calls: list[int] = []  # noqa: RUF012

    def prepare(self, reference: np.ndarray) -> int:
        return int(reference.astype(int).sum())

    def score_many(self, prepared: int, decoded: Sequence[np.ndarray]) -> list[float]:
        self.calls.append(len(decoded))
        return [float(abs(prepared - int(one.astype(int).sum()))) / one.size for one in decoded]


def test_points_of_a_picture_are_compared_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU: the same values as one by one."""
    monkeypatch.setattr(registry, "_table", {**metrics(), "counting": Counting})
    evaluator = Evaluator(image(SOURCE), ("psnr_rgb", "counting"))
    assert evaluator.batches
    decoded = [image(COARSE), image(BLURRED), image(SOURCE)]
    alone = [evaluator.score(one).values["counting"] for one in decoded]
    first = [evaluator.score(one, batches=False) for one in decoded]
    assert all(set(scores.values) == {"mse", "psnr_rgb"} for scores in first)
    Counting.calls.clear()
    together = [scores.values["counting"] for scores in evaluator.score_batch(decoded)]
    assert (together, Counting.calls) == (alone, [3])


def test_a_worker_with_a_gpu_batches_the_points_of_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from bench.cards import load_registry
    from bench.codecs.build import select
    from bench.doctor.arithmetic import OnePicture
    from bench.engine.measure import Worker
    from bench.engine.work import WorkSpec
    from bench.records import Task

    monkeypatch.setattr(registry, "_table", {**metrics(), "counting": Counting})
    card = select(load_registry(), "jpeg:quality=10+20+30+40+50+60+70+80+90+95")
    loader = OnePicture(image(SOURCE))
    spec = WorkSpec(
        "s", "d", loader, {"pattern": loader.item}, {card.id: card}, ("psnr_rgb", "counting")
    )
    tasks = [Task(card.id, point, "pattern", "") for point in card.ladder]
    single = [each.record.scores for each in Worker(spec).measure_all(tasks)]
    Counting.calls.clear()
    worker = Worker(spec, batching=True)
    batched = [each.record.scores for each in worker.measure_all(tasks)]
    assert Counting.calls == [8, 2]
    assert batched == single


@pytest.mark.parametrize(
    "name", [name for name in PERCEPTUAL if name not in ("psnr_hvs", "ciede2000")]
)
@pytest.mark.parametrize("depth", [8, 10])
def test_yuv_is_compared_as_a_screen_shows_it(name: str, depth: int) -> None:
    """By BT.601 in limited range, as the source says, in 8-bit RGB; decoders do not say it."""
    if not able(name):
        pytest.skip(f"{name} is not available here")
    unit = 1 << (depth - 8)

    def of_rgb(rgb: np.ndarray) -> np.ndarray:
        r, g, b = (rgb[..., i] / 255 for i in range(3))
        y = 0.299 * r + 0.587 * g + 0.114 * b
        parts = [16 + 219 * y, 128 + 224 * (b - y) / 1.772, 128 + 224 * (r - y) / 1.402]
        return np.rint(unit * np.stack(parts))

    def to_rgb(planes: np.ndarray) -> np.ndarray:
        y = (planes[0] - 16 * unit) / (219 * unit)
        b, r = (
            y + k * (planes[i] - 128 * unit) / (224 * unit) for i, k in ((1, 1.772), (2, 1.402))
        )
        g = (y - 0.299 * r - 0.114 * b) / 0.587
        return np.clip(np.rint(255 * np.stack([r, g, b], -1)), 0, 255).astype(np.uint8)

    both = [of_rgb(one[:96, :128]) for one in (SOURCE, COARSE)]
    expected = value(name, *map(to_rgb, both))
    kinds = (PixelFormat("yuv444", depth, "bt601", "limited"), PixelFormat("yuv444", depth))
    dtype = np.uint8 if depth == 8 else np.uint16
    source, decoded = (
        Signal(
            Layout("image", kind, 128, 96), lambda flat=planes: iter([flat.ravel().astype(dtype)])
        )
        for planes, kind in zip(both, kinds, strict=True)
    )
    found = Evaluator(source, (name,)).score(decoded)
    assert found.values[name] == pytest.approx(expected, rel=1e-3, abs=1e-4)
