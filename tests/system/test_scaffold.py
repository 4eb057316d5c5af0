"""`bench new codec` writes codecs that run as they are; `bench try` shows them at work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.codecs.support.frame_progress import Coding
from bench.commands.progress import LineProgress
from bench.engine.run import RunOptions
from bench.engine.run_log import Outcome, Progress
from tests.command import bench
from tests.pictures import picture


@pytest.mark.parametrize(
    "template", ["python", "command", pytest.param("model", marks=pytest.mark.nightly)]
)
def test_a_new_codec_runs_as_it_is(template: str, tmp_path: Path) -> None:
    Image.fromarray(picture(60, 90)).save(tmp_path / "mine.png")
    made = bench("new", "codec", "my-codec", "--from", template, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    if template == "model":
        written = subprocess.run(
            [sys.executable, "my_codec.py"],
            cwd=tmp_path,
            capture_output=True,
            check=True,
            text=True,
        )
        assert "my-codec-0.025.pth" in written.stdout
    done = bench("try", "my-codec", "mine.png", "--cards", "cards", folder=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fresh process decodes alike" in done.stdout
    assert "PSNR-RGB" in done.stdout
    (saved,) = tmp_path.glob("mine.my-codec.*.png")
    assert np.asarray(Image.open(saved)).shape == (60, 90, 3)


def test_try_takes_the_point_that_it_is_given_and_saves_where_it_is_told(tmp_path: Path) -> None:
    Image.fromarray(picture(40, 40)).save(tmp_path / "mine.png")
    done = bench("try", "jpeg:quality=30", "mine.png", "--save", "out.png", folder=tmp_path)
    assert "jpeg quality=30 on mine: done" in done.stdout, done.stderr
    assert (tmp_path / "out.png").is_file()


def test_try_fails_as_the_codec_does(tmp_path: Path) -> None:
    Image.fromarray(picture(40, 40)).save(tmp_path / "mine.png")
    done = bench("try", "vae3d", "mine.png", folder=tmp_path)
    assert done.returncode == 1 and "vae3d does not code images" in done.stdout
    assert bench("try", "jpeg,webp", "mine.png", folder=tmp_path).returncode == 2
    assert bench("try", "jpeg", "gone.png", folder=tmp_path).returncode == 2


def test_nothing_is_overwritten_and_ids_are_checked(tmp_path: Path) -> None:
    words = ("new", "codec", "mine", "--folder", "there")
    assert bench(*words, folder=tmp_path).returncode == 0
    assert "cards/mine.toml exists" in bench(*words, folder=tmp_path).stderr
    assert "'My Codec' is no codec id" in bench("new", "codec", "My Codec", folder=tmp_path).stderr


@pytest.mark.parametrize(
    ("name", "template", "said"),
    [
        ("jpeg", "python", "'jpeg' is there already; take another name, such as my-jpeg"),
        ("x265", "command", "'x265' is there already"),
        ("json", "python", "Python has its own 'json'; take another name, such as my-json"),
        ("bench", "model", "Python has its own 'bench'"),
        ("true", "python", "Python has its own 'true'"),
    ],
)
def test_a_name_that_is_taken_is_refused_before_anything_is_written(
    name: str, template: str, said: str, tmp_path: Path
) -> None:
    made = bench("new", "codec", name, "--from", template, folder=tmp_path)
    assert made.returncode == 2 and said in made.stderr
    assert not list(tmp_path.iterdir())


def test_try_that_is_stopped_has_nothing_to_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.cli import main
    from bench.engine import attempt

    Image.fromarray(picture(40, 40)).save(tmp_path / "mine.png")
    monkeypatch.setattr(attempt, "run", lambda *_: Outcome(interrupted=True))
    assert main(["try", "jpeg", str(tmp_path / "mine.png")]) == 1
    assert capsys.readouterr().err == "bench: stopped\n"


def test_try_tells_how_far_a_clip_is_and_gives_it_the_time_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.cli import main
    from bench.engine import attempt

    coding = Coding("hm", "qp=22", "clip", 64, 8, 90.0)
    told: list[object] = []
    given: list[RunOptions] = []

    def run(campaign: object, options: RunOptions, progress: Progress) -> Outcome:
        given.append(options)
        progress.working([coding])
        return Outcome(interrupted=True)

    Image.fromarray(picture(40, 40)).save(tmp_path / "mine.png")
    monkeypatch.setattr(attempt, "run", run)
    monkeypatch.setattr(LineProgress, "working", lambda _, codings: told.append(codings))
    assert main(["try", "jpeg", str(tmp_path / "mine.png")]) == 1
    assert told == [[coding]]
    assert given[0].limit(64) == 1200  # 600 s are for 32 frames


def test_try_that_cannot_save_says_so(tmp_path: Path) -> None:
    Image.fromarray(picture(40, 40)).save(tmp_path / "mine.png")
    done = bench("try", "jpeg:quality=30", "mine.png", "--save", "nowhere/out.png", folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "bench: --save nowhere/out.png: cannot be written: No such file or directory; give another "
        "path\n"
    )
