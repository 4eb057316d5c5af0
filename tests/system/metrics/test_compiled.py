"""Machine code of the metrics' loops: kept, found again, and refused when it is not whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.metrics import compiled
from bench.metrics.ssim import SsimReference

_FIRST_USE = """
import sys
import numpy as np
from bench.metrics.ssim import SsimReference
frames = np.random.default_rng(0).integers(0, 256, (1, 40, 50, 3), dtype=np.uint8)
print(SsimReference(frames, multi_scale=False).compare(255 - frames).ssim[0])
assert "numba" not in sys.modules
import bench.entropy.trellis
samples = np.random.default_rng(1).normal(size=200)
code, rate, mse = bench.entropy.trellis.design(samples, 4, 1.0, 0.1, rounds=2)
print(rate > 0)
"""


def test_loops_are_loaded_without_numba_which_works_beside_them() -> None:
    compiled.kernels()
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_USE], capture_output=True, text=True, check=True
    )
    value, worked = done.stdout.split()
    assert float(value) < 0
    assert worked == "True"


def test_damaged_files_are_compiled_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled.kernels()
    found = compiled._kept()
    assert found is not None
    good = compiled._pack(found)
    assert compiled._unpack(good) == found
    places = [tmp_path / "one.o", tmp_path / "two.o"]
    monkeypatch.setattr(compiled, "_files", lambda: iter(places))
    assert compiled._kept() is None
    places[0].write_bytes(good[:-1])
    assert compiled._kept() is None
    places[0].write_bytes(good.replace(b"prepare", b"prefare", 1))
    assert compiled._kept() is None
    places[1].write_bytes(good)
    assert compiled._kept() == found


def test_a_folder_that_cannot_be_written_gives_way_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    places = [tmp_path / "file" / "kernels.o", tmp_path / "cache" / "kernels.o"]
    monkeypatch.setattr(compiled, "_files", lambda: iter(places))
    compiled._keep(b"code")
    assert places[1].read_bytes() == b"code"
    assert [path.name for path in places[1].parent.iterdir()] == ["kernels.o"]


def test_sizes_of_lent_memory_are_those_that_the_loops_expect() -> None:
    from bench.metrics import kernels, ssim

    for name in ("WINDOW", "PADDING", "LARGEST_STRIP", "STRIP_UNIT", "SCRATCH_SAMPLES"):
        assert getattr(ssim, name) == getattr(kernels, name), name


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_vectors_of_any_length_give_the_same_sums(
    lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns are summed in one order; only products and sums may be rounded once or twice."""
    from bench.metrics import ssim

    frames = np.random.default_rng(0).integers(0, 256, (1, 75, 2411, 3), dtype=np.uint8)
    others = np.minimum(frames, 250) + np.uint8(5)
    expected = SsimReference(frames, multi_scale=False).compare(others).ssim
    monkeypatch.setattr(compiled, "_kept", lambda: None)
    monkeypatch.setattr(compiled, "_keep", lambda data: None)
    monkeypatch.setattr(compiled, "_LANES", lanes)
    monkeypatch.setattr(compiled, "_LANES_WIDE", lanes)
    loops = compiled.kernels.__wrapped__()  # not the process' own, which stay
    monkeypatch.setattr(ssim, "kernels", lambda: loops)
    assert SsimReference(frames, multi_scale=False).compare(others).ssim == expected
