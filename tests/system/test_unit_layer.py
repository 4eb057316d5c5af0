"""The guard of tests/unit: a test that loads torch or starts a process is an error, and named."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

UNIT = Path(__file__).resolve().parents[1] / "unit"
TESTS = """
import multiprocessing, os, subprocess, sys

def test_clean(): pass
def test_torch(): import torch
def test_program(): subprocess.run([sys.executable, "-c", ""])
def test_worker(): multiprocessing.get_context("spawn").Process(target=print).start()
def test_fork():
    if os.fork() == 0: os._exit(0)
    os.wait()
"""


def test_what_is_no_unit_test_is_named(tmp_path: Path) -> None:
    shutil.copy(UNIT / "conftest.py", tmp_path)
    (tmp_path / "torch.py").write_text("")
    (tmp_path / "test_five.py").write_text(TESTS)
    (tmp_path / "test_above.py").write_text("import torch\n\ndef test_clean(): pass\n")
    words = ["-m", "pytest", "-q", "-rA", "-p", "no:randomly", "-p", "no:xdist"]
    said = ""
    for name in ("test_five.py", "test_above.py"):
        said += subprocess.run(
            [sys.executable, *words, name], cwd=tmp_path, capture_output=True, text=True
        ).stdout
    summary = {line.partition(" - ")[0] for line in said.splitlines()}
    assert {"PASSED test_five.py::test_clean", "ERROR test_above.py"} < summary
    for name in ("torch", "program", "fork"):
        assert f"ERROR test_five.py::test_{name}" in summary, said
    assert "FAILED test_five.py::test_worker" in summary
    assert said.count("it belongs in tests/system") >= 5
