"""`python -m bench` in the process of the tests, which has loaded its libraries already.

Tests of processes, signals, imports and plug-ins that change start one instead.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

from bench.cli import main
from tests.leftovers import forgotten

ROOT = Path(__file__).resolve().parents[1]


def bench(
    *words: object, folder: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[str]:
    """What the command says and how it ends, called from this folder with these variables,
    on a wide terminal."""
    said = [io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2)]
    with (
        forgotten(),
        patch.dict(os.environ, {"COLUMNS": "300", **variables}),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(said[0]),
        contextlib.redirect_stderr(said[1]),
    ):
        sys.path.insert(0, str(folder))  # as `python -m` does
        try:
            status = main([str(word) for word in words])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess(
        words, status, *(one.buffer.getvalue().decode() for one in said)
    )
