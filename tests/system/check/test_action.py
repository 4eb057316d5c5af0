"""The step of action.yml, with a Python that only says what it was asked to do."""

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

ACTION = Path(__file__).parents[3] / "action.yml"
PYTHON = '#!/bin/sh\necho "$@" >> "$CALLS"\nif [ "$3" = run ]; then exit $RUN; fi\nexit $CHECK\n'


def script() -> str:
    """The second step, as GitHub's bash would get it."""
    text = ACTION.read_text(encoding="utf-8").split("    - run: |\n")[1]
    return textwrap.dedent(text.partition("      shell: bash")[0])


@pytest.mark.parametrize(
    ("run", "check", "update", "status", "called"),
    [
        (0, 0, "false", 0, ["run", "check"]),
        (0, 1, "false", 1, ["run", "check"]),
        (0, 2, "false", 2, ["run", "check"]),
        (1, 0, "false", 1, ["run", "check"]),
        (1, 1, "false", 1, ["run", "check"]),
        (2, 0, "false", 2, ["run"]),
        (0, 0, "true", 0, ["run", "check"]),
        (1, 0, "true", 1, ["run"]),
    ],
)
def test_the_step_fails_where_the_run_or_the_check_does(
    tmp_path: Path, run: int, check: int, update: str, status: int, called: list[str]
) -> None:
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    calls = tmp_path / "calls"
    inputs = {
        "SUITE": "starter", "CODECS": "mynet", "CARDS": "", "PLUGIN": "mine.py", "LIMIT": "2",
        "BASELINE": "baseline", "UPDATE": update, "GITHUB_STEP_SUMMARY": "summary.md",
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script()],
        env={**os.environ, **inputs, "PATH": f"{tmp_path}:{os.environ['PATH']}",
             "CALLS": str(calls), "RUN": str(run), "CHECK": str(check)},
        cwd=tmp_path, check=False,
    )  # fmt: skip
    lines = calls.read_text().splitlines()
    assert [line.split()[2] for line in lines] == called
    assert all("--plugin mine.py" in line for line in lines)
    assert done.returncode == status
