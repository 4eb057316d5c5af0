"""The runs behind ``results/baselines``, written down once: `make test` compares with them,
`make baselines` (this module, which takes names) writes what they are compared with. The table of
the README is that of ``starter``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASELINES = ROOT / "results" / "baselines"


@dataclass(frozen=True, slots=True)
class Guard:
    """A run of the first ``limit`` items of a suite, with its own codecs unless some are named;
    ``data`` is the folder in $BENCH_DATA that it cannot do without."""

    name: str
    suite: str
    limit: int
    codecs: tuple[str, ...] = ()
    data: str | None = None

    @property
    def baseline(self) -> Path:
        return BASELINES / self.name

    @property
    def words(self) -> list[str]:
        chosen = ["--codecs", ",".join(self.codecs)] if self.codecs else []
        return ["--suite", self.suite, "--limit", str(self.limit), *chosen]


GUARDS = (
    Guard("starter", "starter", 4),
    Guard("gaussian", "gaussian", 2, tuple(f"gaussian-ae:latents={n}" for n in (10, 30, 50))),
    Guard("cifar10", "cifar10", 8, ("cifar-vae", "cifar-vae:loss=mse"), "cifar-10-batches-bin"),
    Guard(
        "moving-mnist",
        "moving-mnist",
        1,
        ("qcae:codes=2+8+32+128", "qcae-rd:quality=1+2+4+6"),
        "mnist",
    ),
    Guard(
        "images",
        "starter",
        1,
        (
            "hyperprior:quality=2+5",
            "vqvae2-512",
            "vqvae2-512:coder=pixelsnail",
            "vqvae2-512:coder=transformer",
        ),
    ),
)


def bench(*words: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """``python -m bench`` on one thread, in a wide terminal."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *map(str, words)], capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "300", **variables},
    )  # fmt: skip


def measured(out: Path, *words: object, **variables: str) -> Path:
    """The folder of a run that must succeed."""
    done = bench("run", "--no-report", "--fresh", "--out", out, *words, **variables)
    assert done.returncode == 0, done.stdout + done.stderr
    return ROOT / out


def write(names: Collection[str] = ()) -> None:
    """Measures every guard, or only those named, again and makes it the baseline. Say in the commit
    why it changed."""
    for guard in GUARDS:
        if names and guard.name not in names:
            continue
        # as typed in the project's folder: run.json keeps the command
        out = measured(Path("build", "guard", guard.name), *guard.words)
        done = bench("check", out, "--against", guard.baseline, "--update")
        print(guard.name, done.stdout, done.stderr, sep="\n")
        assert done.returncode == 0, guard.name


if __name__ == "__main__":
    write(sys.argv[1:])
