"""The project guarded by its own check: committed baselines, and planted regressions turn it red.

The runs are those of :mod:`tests.baselines`, by which `make baselines` also writes them.
"""

import csv
import shutil
from pathlib import Path

import pytest
from PIL import Image

from bench.cards.codec import ONLY
from tests.baselines import GUARDS, ROOT, Guard, measured
from tests.command import bench
from tests.pictures import picture


def test_a_point_of_each_codec_of_the_starter_suite_is_what_it_was(tmp_path: Path) -> None:
    """By day, on the first photograph; every night all points, items and networks."""
    baseline = next(guard.baseline for guard in GUARDS if guard.name == "starter")
    with (baseline / "records.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["item"] == "astronaut"]
    points: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        points.setdefault(row["codec"], []).append(row)
    chosen = [ladder[len(ladder) // 2] for ladder in points.values()]
    cut = tmp_path / "baseline"
    cut.mkdir()
    shutil.copy(baseline / "run.json", cut)
    with (cut / "records.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(chosen)
    specs = []
    for row in chosen:
        point = (
            "" if row["point"] == str(ONLY) else f"{',:'[':' not in row['codec']]}{row['point']}"
        )
        specs.append(row["codec"] + point)
    words = ["--suite", "starter", "--limit", 1, "--codecs", ",".join(specs)]
    out = measured(tmp_path / "out", *words)
    done = bench("check", out, "--against", cut)
    assert done.returncode == 0, done.stdout
    assert f"{len(points)} no change of {len(points)} codecs over 1 item" in done.stdout


@pytest.mark.nightly
@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_what_is_shipped_is_what_it_was(
    guard: Guard, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if guard.data is not None:
        folder = request.getfixturevalue("bench_data") / guard.data
        if not folder.is_dir():
            pytest.skip(f"needs {folder}")
    out = measured(tmp_path / "out", *guard.words)
    done = bench("check", out, "--against", guard.baseline)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[object], Path]:
    """The words of a run of JPEG under another id, and its baseline."""
    folder = tmp_path_factory.mktemp("planted")
    card = (ROOT / "codecs" / "jpeg.toml").read_text()
    (folder / "planted.toml").write_text(
        card.replace("bench.codecs.pillow:Jpeg", "bench.planted:Planted")
    )
    for seed in range(4):
        Image.fromarray(picture(96, 128, seed)).save(folder / f"{seed}.png")
    words: list[object] = ["--input", folder, "--cards", folder,
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


@pytest.mark.nightly
def test_a_swapped_weight_file_turns_the_check_red_and_is_named(tmp_path: Path) -> None:
    """The network of one size with the weights of another training: here, slightly disturbed."""
    from bench.cards import load_registry
    from bench.codecs.support.weights import load_weights, save_weights

    cards = tmp_path / "cards"
    cards.mkdir()
    shutil.copy(ROOT / "codecs" / "gaussian-ae.toml", cards / "swapped.toml")
    tensors = load_weights(load_registry().codec("gaussian-ae"), "d10")
    weights = cards / "weights" / "swapped"
    words = ["--suite", "gaussian", "--limit", 2, "--cards", cards,
             "--codecs", "swapped:latents=10,bits=4+5"]  # fmt: skip
    save_weights(weights, "swapped", "d10", tensors, precision="float32")
    first = measured(tmp_path / "first", *words)
    disturbed = {name: tensor * 1.15 for name, tensor in tensors.items()}
    save_weights(weights, "swapped", "d10", disturbed, precision="float32")
    second = measured(tmp_path / "second", *words)
    done = bench("check", second, "--against", first)
    assert done.returncode == 1, done.stdout
    assert "likely cause: weights" in " ".join(done.stdout.split())
