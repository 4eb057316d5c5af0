"""Streams decoded under other arithmetic: each kind of difference is planted and named."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry
from bench.doctor import determinism
from bench.doctor.determinism import Place, examine_determinism, lines
from bench.machine import INSTRUCTION_SETS
from tests.command import ROOT, bench

ADAPTER = '''
import os

import numpy as np

from bench.codecs.toolkit import CodecBase, CodecError, Encoded, Text, image


class Other(CodecBase):
    """Gives the picture back, and another way where it is held to older instructions."""

    parameters = {"way": Text("exact"), "mode": Text("only")}

    def encode(self, signal, point):
        pixels = np.clip(next(iter(signal.frames())), 8, 240)
        return Encoded(bytes([*pixels.shape[:2]]) + pixels.tobytes())

    def decode(self, payload):
        pixels = np.frombuffer(payload[2:], np.uint8).reshape(payload[0], payload[1], 3)
        held, way = os.environ.get("ATEN_CPU_CAPABILITY") == "avx2", self.settings["way"]
        if held and way == "refused":
            raise CodecError("checksum of the symbols")
        changes = {"one level": np.arange(pixels.size).reshape(pixels.shape) % 2,
                   "drift": np.full(pixels.shape, 2), "garbage": np.full(pixels.shape, 9)}
        return image((pixels + held * changes.get(way, 0)).astype(np.uint8))
'''
WAYS = ("exact", "one level", "drift", "garbage", "refused")


@pytest.fixture(scope="module")
def cards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cards")
    (folder / "other.py").write_text(ADAPTER)
    for way in WAYS:
        (folder / f"{way.replace(' ', '-')}.toml").write_text(
            f'title = "{way}"\nadapter = "other:Other"\nmedia = ["image"]\n'
            f'[settings]\nway = "{way}"\n[ladder]\nmode = ["only"]\n'
        )
    return folder


def test_each_kind_of_difference_has_its_name(cards: Path) -> None:
    codecs = [way.replace(" ", "-") for way in WAYS]
    where = [Place("AVX2", INSTRUCTION_SETS["AVX2"])]
    found = examine_determinism(
        load_registry([cards]), [*codecs, "cifar-vae"], [cards], where, random=False
    )
    assert [row.skipped for row in found.rows] == [""] * 6
    kinds = [[cell.kind for cell in row.cells] for row in found.rows[:5]]
    # 20 log10(255 / 2) = 42.11 dB
    assert kinds == [["exact"], ["one level"], ["drift 42.1 dB"], ["garbage"], ["refused"]]
    assert "checksum of the symbols" in found.rows[4].cells[0].detail
    assert found.garbage == 1
    page = "\n".join(lines(found))
    assert "| `drift` | image 192×192, mode=only, 110594 bytes | drift 42.1 dB | – |" in page
    # its symbols are the same everywhere: none is said to differ
    assert [cell.symbol for cell in found.rows[5].cells] == [""]
    assert "AVX2" in found.facts[1]


@pytest.mark.parametrize(
    ("here", "there", "says"),
    [
        ([1, 2, 3], [1, 2, 3], ""),
        ([1, 2, 3, 4], [1, 5, 3, 4], "symbol 1 of 4 is 5, not 2"),
        ([1, 2, 3], [1, 2], "none before it ended, after 2 of 3 symbols"),
    ],
)
def test_the_first_symbol_that_differs(
    tmp_path: Path, here: list[int], there: list[int], says: str
) -> None:
    np.save(tmp_path / "a.npy", here)
    np.save(tmp_path / "b.npy", there)
    assert determinism._first_difference(tmp_path / "a.npy", tmp_path / "b.npy") == says


def test_options_go_together() -> None:
    said = bench("doctor", "--random")
    assert said.returncode == 2 and "--random goes with --determinism" in said.stderr
    said = bench("doctor", "--determinism", "jpeg", "--python", "/no/python")
    assert said.returncode == 2 and "/no/python: No such file" in said.stderr


TRACED = """
import numpy as np
from bench.doctor import symbol_trace
symbol_trace.start()
from bench.entropy import coding
shares = np.array([0.5, 0.25, 0.25])
stream = coding.encode_arithmetic(np.array([2, 0, 1, 1]), shares)
assert coding.decode_arithmetic(stream, shares, 4).tolist() == [2, 0, 1, 1]
assert symbol_trace.taken().tolist() == [3, 1, 2, 2], "one above, as the guard is symbol 0"
assert coding.unpack_fixed(coding.pack_fixed(np.array([5, 6]), 3), 3, 2).tolist() == [5, 6]
assert symbol_trace.taken().tolist() == [5, 6]
"""


def test_symbols_of_the_coders_are_noted() -> None:
    """In a process of its own, as it is used: it replaces functions of the coders."""
    done = subprocess.run([sys.executable, "-c", TRACED], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
