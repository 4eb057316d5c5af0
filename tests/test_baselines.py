"""The project guarded by its own check: committed baselines, and planted regressions turn it red.

The runs are those of `make baselines`, which also wrote the baselines.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASELINES = ROOT / "results" / "baselines"
LEARNED = "gaussian-ae:latents=10,gaussian-ae:latents=30,gaussian-ae:latents=50"
VAES = "cifar-vae,cifar-vae:loss=mse"
IMAGES = (
    "hyperprior:quality=2+5,vqvae2-512,vqvae2-512:coder=pixelsnail,vqvae2-512:coder=transformer"
)
CLIPS = "qcae:codes=2+8+32+128,qcae-rd:quality=1+2+3+4"


def bench(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", **variables},
    )  # fmt: skip


def measured(out: Path, *words: object, **variables: str) -> Path:
    done = bench("run", "--no-report", "--out", out, *words, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def test_the_starter_suite_is_what_it_was(tmp_path: Path) -> None:
    out = measured(tmp_path / "out", "--suite", "starter", "--limit", 2)
    done = bench("check", out, "--against", BASELINES / "starter")
    assert done.returncode == 0, done.stdout


def test_the_shipped_learned_codecs_are_what_they_were(tmp_path: Path) -> None:
    out = measured(tmp_path / "out", "--suite", "gaussian", "--limit", 2, "--codecs", LEARNED)
    done = bench("check", out, "--against", BASELINES / "gaussian")
    assert done.returncode == 0, done.stdout


def test_the_shipped_image_autoencoders_are_what_they_were(
    bench_data: Path, tmp_path: Path
) -> None:
    if not (bench_data / "cifar-10-batches-bin").is_dir():
        pytest.skip(f"needs CIFAR-10 in {bench_data}/cifar-10-batches-bin")
    out = measured(tmp_path / "out", "--suite", "cifar10", "--limit", 8, "--codecs", VAES)
    done = bench("check", out, "--against", BASELINES / "cifar10")
    assert done.returncode == 0, done.stdout


def test_the_shipped_image_codecs_are_what_they_were(tmp_path: Path) -> None:
    out = measured(tmp_path / "out", "--suite", "starter", "--limit", 1, "--codecs", IMAGES)
    done = bench("check", out, "--against", BASELINES / "images")
    assert done.returncode == 0, done.stdout


def test_the_shipped_video_codecs_are_what_they_were(bench_data: Path, tmp_path: Path) -> None:
    if not (bench_data / "mnist").is_dir():
        pytest.skip(f"needs MNIST in {bench_data}/mnist")
    out = measured(tmp_path / "out", "--suite", "moving-mnist", "--limit", 2, "--codecs", CLIPS)
    done = bench("check", out, "--against", BASELINES / "moving-mnist")
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], Path]:
    """The words of a run of JPEG under another id, and its baseline."""
    folder = tmp_path_factory.mktemp("planted")
    card = (ROOT / "codecs" / "jpeg.toml").read_text()
    (folder / "planted.toml").write_text(
        card.replace("bench.codecs.pillow:Jpeg", "tests.planted:Planted")
    )
    words: list[object] = ["--suite", "starter", "--cards", folder,
                           "--codecs", "planted:quality=20+45+70+95"]  # fmt: skip
    out = measured(folder / "out", *words)
    assert bench("check", out, "--against", folder / "baseline", "--update").returncode == 0
    return words, folder / "baseline"


@pytest.mark.parametrize(
    ("regression", "says"),
    [
        ("quantiser", "psnr_rgb -"),
        ("colour", "from the same bitstreams: the decoder or its colour path changed"),
        ("header", "same pixels for 1 more header bytes an item"),
    ],
)
def test_a_planted_regression_turns_the_check_red_and_is_named(
    planted: tuple[list[object], Path], tmp_path: Path, regression: str, says: str
) -> None:
    words, baseline = planted
    out = measured(tmp_path / "out", *words, PLANTED_REGRESSION=regression)
    done = bench("check", out, "--against", baseline)
    assert done.returncode == 1, done.stdout
    assert says in " ".join(done.stdout.split())
    assert "1 regression of 1 codecs over 4 items" in done.stdout


def test_measuring_again_stays_green(planted: tuple[list[object], Path], tmp_path: Path) -> None:
    words, baseline = planted
    out = measured(tmp_path / "out", *words, "--jobs", 1)
    done = bench("check", out, "--against", baseline)
    assert done.returncode == 0
    assert "1 no change of 1 codecs" in done.stdout


def test_a_swapped_weight_file_turns_the_check_red_and_is_named(tmp_path: Path) -> None:
    """The network of one size with the weights of another training: here, slightly disturbed."""
    from bench.cards import load_registry
    from bench.weights import load_weights, save_weights

    cards = tmp_path / "cards"
    cards.mkdir()
    shutil.copy(ROOT / "codecs" / "gaussian-ae.toml", cards / "swapped.toml")
    tensors = load_weights(load_registry().codec("gaussian-ae"), "d10")
    weights = cards / "weights" / "swapped"
    words = ["--suite", "gaussian", "--limit", 2, "--cards", cards,
             "--codecs", "swapped:latents=10,bits=4+5+6+16"]  # fmt: skip
    save_weights(weights, "swapped", "d10", tensors, precision="float32")
    first = measured(tmp_path / "first", *words)
    disturbed = {name: tensor * 1.02 for name, tensor in tensors.items()}
    save_weights(weights, "swapped", "d10", disturbed, precision="float32")
    second = measured(tmp_path / "second", *words)
    done = bench("check", second, "--against", first)
    assert done.returncode == 1, done.stdout
    assert "likely cause: weights" in " ".join(done.stdout.split())
