"""The built wheel, run from another folder with nothing else of this project in sight."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import bench

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_every_module_card_and_weight(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "bench", "codecs", "datasets"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    expected = {name if name.startswith("bench/") else f"bench/_cards/{name}" for name in tracked}
    assert expected - packed == set()
    if shutil.which("cc"):
        assert "bench/metrics/_loops.so" in packed


def test_the_wheel_runs_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    out = tmp_path / "out"
    words = ["run", "--suite", "starter", "--limit", "1", "--codecs", "jpeg:quality=50+75"]
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words, "--out", str(out)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (out / "records.csv").read_text().count("\n") == 3
    where = subprocess.run(
        [sys.executable, "-c", "import bench; print(bench.__file__)"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert where.stdout.startswith(str(site))


def test_the_same_tree_gives_the_same_wheel_whenever_and_wherever(tmp_path: Path) -> None:
    hashes = []
    for place, umask, age in (("one", 0o022, 0), ("another/below", 0o077, 10**8)):
        tree = tmp_path / place
        tracked = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        for name in tracked:
            wanted = name.startswith(("bench/", "codecs/", "datasets/")) and "/weights/" not in name
            if wanted or name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE"):
                (tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, tree / name)
                os.utime(tree / name, (1.7e9 - age, 1.7e9 - age))
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
             "--wheel-dir", str(tmp_path / f"dist{age}"), str(tree)],
            check=True, umask=umask, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"},
        )  # fmt: skip
        (path,) = (tmp_path / f"dist{age}").glob("*.whl")
        assert path.name.startswith(f"bench_rd-{bench.__version__}-")
        hashes.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3.12": "exit 0", "python3.13": "exit 0"}, "python3.13"),
        # as pyenv's for an interpreter that is installed and not chosen
        ({"python3.12": "exit 0", "python3.14": "exit 127"}, "python3.12"),
        ({"python3.11": "exit 0", "pyenv": "echo {here}"}, "{here}/versions/3.14.2/bin/python"),
        ({"python3.10": "exit 0"}, None),
    ],
)
def test_make_takes_the_newest_python_that_runs(
    tmp_path: Path, there: dict[str, str], chosen: str | None
) -> None:
    own = tmp_path / "versions/3.14.2/bin"
    own.mkdir(parents=True)
    for path, words in [(tmp_path / name, words) for name, words in there.items()] + [
        (own / "python", "exit 0")
    ]:
        path.write_text(f"#!/bin/sh\n{words.format(here=tmp_path)}\n")
        path.chmod(0o755)
    make = shutil.which("make")
    if make is None:
        pytest.skip("needs make")
    words = [make, "run", f"VENV={tmp_path}/venv", *(["--dry-run"] if chosen else [])]
    environment = {**os.environ, "PATH": str(tmp_path)}
    environment.pop("PYTHON", None)
    found = subprocess.run(
        words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if chosen:
        assert f"{chosen.format(here=tmp_path)} -m venv {tmp_path}/venv" in found.stdout
    else:
        assert found.returncode == 2 and "no CPython 3.11 to 3.14" in found.stderr


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
def test_the_lock_holds_a_version_that_suffices_for_every_dependency(python: str) -> None:
    lines = (ROOT / f"constraints/{python}.txt").read_text().splitlines()
    locked = dict(line.split("==") for line in lines if not line.startswith("#"))
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = [one for group in project["optional-dependencies"].values() for one in group]
    for requirement in map(Requirement, [*project["dependencies"], *extras]):
        marker = requirement.marker
        wanted = marker is None or marker.evaluate({"python_version": python})
        if wanted and requirement.name != "bench-rd":
            name = canonicalize_name(requirement.name)
            assert requirement.specifier.contains(locked[name]), requirement


def test_actions_of_others_are_pinned_by_hash() -> None:
    """A tag can be moved to other code; a comment names the release."""
    used = [
        line.strip().removeprefix("- ")
        for path in (ROOT / ".github/workflows").glob("*.yml")
        for line in path.read_text().splitlines()
        if "uses:" in line
    ]
    assert len(used) >= 10
    assert [
        line for line in used if not re.fullmatch(r"uses: \S+@[0-9a-f]{40} # v[\d.]+", line)
    ] == []


def test_a_release_is_one_version_everywhere() -> None:
    """What the workflow that publishes a tag compares."""
    assert f"\n## {bench.__version__}\n" in (ROOT / "CHANGELOG.md").read_text()
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    supported = [f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)]
    assert [one for one in project["classifiers"] if "3." in one] == supported
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert 'python: ["3.11", "3.12", "3.13", "3.14"]' in workflow
    assert [path.stem for path in sorted((ROOT / "constraints").iterdir())] == [
        "3.11", "3.12", "3.13", "3.14"
    ]  # fmt: skip
