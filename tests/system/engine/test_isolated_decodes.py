"""Python codecs that cheat: their decoder finds nothing of the picture."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.processes import isolation
from tests.system.engine import peeking

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(
    not isolation.describe().startswith(isolation.ISOLATED), reason=isolation.describe()
)


WAYS = ("place", "early", "original", "data", "beside", "package", "named")


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, dict[str, object]]]:
    """Status of the record and verdict of each way of cheating, all in one run on one picture."""
    folder = tmp_path_factory.mktemp("peeking")
    data, cards, out = folder / "pictures", folder / "cards", folder / "out"
    pixels = np.random.default_rng(3).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    for place in (data, cards, *(folder / way for way in WAYS)):
        place.mkdir()
    Image.fromarray(pixels).save(data / "p.png")
    for way in WAYS:
        place = data if way == "original" else folder / way
        reads = f'reads = ["{place}"]' if way in ("named", "original") else ""
        (cards / f"{way}.toml").write_text(
            'title = "Peeking"\nadapter = "tests.system.engine.peeking:Peeking"\n'
            'media = ["image"]\n'
            # a slash would make it a folder that the card names
            f'{reads}\n[settings]\nway = "{way}"\nplace = "{str(place).replace("/", "|")}"\n'
        )
    done = subprocess.run(
        [sys.executable, "-m", "bench", "run", "--input", str(data), "--codecs", ",".join(WAYS),
         "--cards", str(cards), "--out", str(out), "--jobs", "1", "--no-report"],
        cwd=ROOT, env={**os.environ, "BENCH_DATA": str(data)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    with (out / "records.csv").open() as file:
        status = {row["codec"]: row["status"] for row in csv.DictReader(file)}
    verdicts = json.loads((out / "run.json").read_text())["verdicts"]
    found = {verdict["codec"]: verdict for verdict in verdicts}
    return {way: (status[way], found.get(way, {})) for way in WAYS}


@pytest.mark.parametrize("way", WAYS)
def test_a_decoder_that_peeks_fails(
    findings: dict[str, tuple[str, dict[str, object]]], way: str
) -> None:
    """Also in its constructor, and also where the card names the folder of the originals."""
    assert findings[way] == ("failed", {})


@pytest.fixture(autouse=True, scope="module")
def _no_stash() -> Iterator[None]:
    stashes = [Path(file).with_name("stash.npy") for file in (peeking.__file__, np.__file__)]
    yield
    for path in stashes:
        path.unlink(missing_ok=True)
