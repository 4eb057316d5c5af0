"""The base of learned codecs, by a newcomer's codec in two files beside its card and weights."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bench.cards import load_registry
from bench.codecs.support.learned_codec import LearnedCodec
from bench.codecs.support.weights import save_weights
from bench.datasets.base import DataOptions
from bench.engine.campaign import suite_campaign
from bench.engine.measure import Worker
from bench.engine.work import WorkSpec
from bench.errors import BitstreamError, CardError, Unavailable
from bench.machine import device_kind
from bench.records import Point, Task
from bench.signals import Signal, image
from tests.fakes import write_cards
from tests.system.engine.test_run import measure, rows
from tests.system.with_torch.codecs.newcomer.adapter import BlockCodec
from tests.system.with_torch.codecs.newcomer.model import BlockAutoencoder

ROOT = Path(__file__).parents[4]
CARD = """
title = "Blocks through a small network"
adapter = "tests.system.with_torch.codecs.newcomer.adapter:BlockCodec"
media = ["image"]

[ladder]
step = [4, 16]
"""


def newcomer(folder: Path, seed: int | None = 0) -> Path:
    """A folder with the card and, unless the seed is None, weights."""
    cards = write_cards(folder)
    (cards / "codecs" / "blocks.toml").write_text(CARD)
    if seed is not None:
        torch.manual_seed(seed)
        state = BlockAutoencoder().state_dict()
        weights = cards / "codecs" / "weights" / "blocks"
        save_weights(weights, "blocks", "model", state, precision="float32")
    return cards


def codec(folder: Path, seed: int | None = 0) -> LearnedCodec:
    return BlockCodec(load_registry([newcomer(folder, seed)]).codec("blocks"))


@pytest.fixture
def picture() -> Signal:
    return image(np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8))


def test_a_run_measures_and_proves_it(tmp_path: Path) -> None:
    cards, out = newcomer(tmp_path / "cards"), tmp_path / "out"
    outcome, _ = measure(cards, out, "blocks", limit=2)
    assert (outcome.done, outcome.exit_status) == (4, 0)
    assert all(float(row["bpp"]) > 0 for row in rows(out))
    facts = json.loads((out / "run.json").read_text())
    (info,) = facts["codecs"]
    assert {"torch", "weights", "code"} <= set(info["versions"])
    # a 3×16 kernel of 8×8 over blocks of 64 pixels, on both sides
    assert info["complexity"]["decoder_kmac_per_pixel"] == pytest.approx(3 * 16 / 1000)
    assert info["device"] == device_kind("cpu")
    assert facts["timing"].endswith(f"Networks ran on {info['device']}.")
    assert [verdict["passed"] for verdict in facts["verdicts"]] == [True, True]


@pytest.mark.nightly
def test_another_kind_of_device_is_measured_again_and_never_pooled(tmp_path: Path) -> None:
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        pytest.skip("this processor has no vector instructions that could be left unused")
    cards, out = newcomer(tmp_path / "cards"), tmp_path / "out"
    words = [
        "run", "--suite", "noise", "--limit", "1", "--codecs", "blocks,coarse", "--jobs", "1",
        "--no-report", "--cards", str(cards), "--out", str(out),
    ]  # fmt: skip
    before = bench(words)
    assert "6 measured" in before
    after = bench(words, ATEN_CPU_CAPABILITY="default")
    assert "2 stored records come from another version" in after
    assert "2 measured, 4 kept" in after, "the classical codec's four records stay"
    codecs = json.loads((out / "run.json").read_text())["codecs"]
    devices = {info["id"]: info["device"] for info in codecs}
    assert devices["blocks"].startswith("cpu DEFAULT ") and devices["coarse"] == ""


def test_a_worker_of_another_kind_leaves_a_task_to_others(tmp_path: Path) -> None:
    registry = load_registry([newcomer(tmp_path)])
    card = registry.codec("blocks")
    loader = suite_campaign(registry, "noise", ["blocks"], DataOptions(limit=1)).loader
    (item,) = loader.items()
    spec = WorkSpec("noise", "noise", loader, {item.name: item}, {card.id: card}, ("psnr_rgb",))
    task = Task(card.id, card.ladder[0], item.name, "f", device_kind("cpu"))
    assert Worker(spec).measure(task).record.status == "done"
    record = Worker(spec).measure(replace(task, device="cpu AVX9000")).record
    assert record.status == "skipped"
    assert "the run was planned for cpu AVX9000" in str(record.reason)


def bench(words: list[str], **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, text=True, check=False,
        cwd=ROOT, env={**os.environ, "COLUMNS": "200", **variables},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_missing_weights_are_named_with_the_cure(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"train them: python -m bench train blocks$"):
        codec(tmp_path, seed=None).check_available()


def test_streams_of_other_weights_are_refused(tmp_path: Path, picture: Signal) -> None:
    ours, theirs = codec(tmp_path / "ours"), codec(tmp_path / "theirs", seed=1)
    payload = ours.encode(picture, Point("step", 4)).payload
    assert ours.decode(payload).layout == picture.layout
    with pytest.raises(BitstreamError, match="other weights"):
        theirs.decode(payload)
    assert ours.versions()["weights"] != theirs.versions()["weights"]


def test_decoding_elsewhere_uses_another_number_of_threads(
    tmp_path: Path, picture: Signal, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, before, seen = codec(tmp_path), torch.get_num_threads(), []
    payload = built.encode(picture, Point("step", 4)).payload
    decode = BlockCodec.decode
    monkeypatch.setattr(
        BlockCodec, "decode",
        lambda self, data: (seen.append(torch.get_num_threads()), decode(self, data))[1],
    )  # fmt: skip
    elsewhere = built.decode_elsewhere(payload)
    assert elsewhere is not None and elsewhere.layout == picture.layout
    assert seen != [before] and torch.get_num_threads() == before


def test_a_gpu_that_is_not_there_is_said(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    card = load_registry([newcomer(tmp_path)]).codec("blocks")
    with pytest.raises(Unavailable, match="no CUDA device is visible; run with --device cpu"):
        BlockCodec(card, device="cuda").check_available()


def test_weights_of_another_architecture_are_named(tmp_path: Path, picture: Signal) -> None:
    cards = newcomer(tmp_path, seed=None)
    folder = cards / "codecs" / "weights" / "blocks"
    state = {"encoder.weight": torch.zeros(2, 2)}
    save_weights(folder, "blocks", "model", state, precision="float32")
    card = load_registry([cards]).codec("blocks")
    with pytest.raises(CardError, match="another architecture"):
        BlockCodec(card).encode(picture, Point("step", 4))
