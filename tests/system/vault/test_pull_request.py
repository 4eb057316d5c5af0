"""What the workflow does with a vault of a pull request: decode it all, and believe nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.command import ROOT, bench

SCRIPT = ROOT / ".github" / "verify_vaults.sh"


def _git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def _verify(folder: Path) -> subprocess.CompletedProcess[str]:
    """The script with this interpreter as python."""
    (folder / "bin").mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", str(SCRIPT), "main"], cwd=folder, capture_output=True, text=True,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="no git")
def test_a_vault_is_decoded_and_a_changed_one_refused(tmp_path: Path) -> None:
    _git(tmp_path, "init", "-q", "-b", "main")
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "start")
    _git(tmp_path, "checkout", "-q", "-b", "theirs")
    run = tmp_path / "run"
    done = bench("run", "--suite", "starter", "--limit", "1", "--codecs", "jpeg:quality=30+60",
                 "--keep", "all", "--no-report", "--quiet", "--out", run)  # fmt: skip
    assert done.returncode == 0, done.stderr
    vault = tmp_path / "results" / "others" / "theirs one.zip"
    vault.parent.mkdir(parents=True)
    assert bench("vault", "pack", run, "--by", "T. Heirs", "--out", vault).returncode == 0
    (tmp_path / "bench").mkdir()
    for name in ("bench/__init__.py", "json.py"):  # of the pull request, never to be imported
        (tmp_path / name).write_text("raise SystemExit(0)\n")
    _git(tmp_path, "add", "results")
    _git(tmp_path, "commit", "-q", "-m", "theirs")
    said = _verify(tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    assert "2 of 2 streams decoded (isolated)" in said.stdout

    with zipfile.ZipFile(vault) as file:
        entries = {one: file.read(one) for one in file.infolist()}
    with zipfile.ZipFile(vault, "w") as file:
        for one, content in entries.items():
            if one.filename.startswith("streams/"):
                content = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]
            file.writestr(one, content)
    _git(tmp_path, "commit", "-q", "-am", "another stream")
    said = _verify(tmp_path)
    assert said.returncode == 1
    assert "damaged, its bytes are not those that were packed" in said.stdout
