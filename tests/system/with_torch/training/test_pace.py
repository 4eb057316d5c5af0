"""Precision and layout of training steps: measured, chosen, continued across, and tabulated."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.cards import CodecCard, load_registry, read_codec
from bench.codecs.support.weights import read_tensors, weights_path
from bench.errors import UsageError
from bench.learned.training.pace import LAST, PLAIN, arrange, fastest
from bench.learned.training.request import TrainRequest, make_trainer, train
from bench.learned.training.task import Losses, TaskBase
from tests.speed.training_pace import kinds, measure

pytestmark = pytest.mark.usefixtures("drawn")

CARD = """
title = "kernels"
adapter = "tests:None"
media = ["image"]
[training]
task = "test_pace:KernelTask"
steps = 6
batch = 2
learning_rate = 0.01
ema = 0.9
layout = "auto"
"""


class KernelTask(TaskBase):
    """Convolutions of two and three dimensions."""

    def __init__(self, context) -> None:
        super().__init__(context)
        self.model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Unflatten(2, (1, 6)), nn.Conv3d(8, 4, (1, 3, 3))
        )

    def batch(self, step, rng):
        return torch.from_numpy(rng.standard_normal((self.settings.batch, 3, 8, 8), "float32"))

    def loss(self, batch, step):
        return Losses(self.model(batch).square().mean(), {})


@pytest.fixture
def card(tmp_path: Path) -> CodecCard:
    path = tmp_path / "codecs" / "kernels.toml"
    path.parent.mkdir()
    path.write_text(CARD)
    return read_codec(path)


def request(tmp_path: Path, **changes) -> TrainRequest:
    return TrainRequest(**{"work": tmp_path / "work", "threads": 1, **changes})


def last(tensor: torch.Tensor) -> bool:
    form = {4: torch.channels_last, 5: torch.channels_last_3d}[tensor.ndim]
    return tensor.is_contiguous(memory_format=form)


def layouts(trainer) -> set[bool]:
    return {last(each) for each in trainer.kernels() if each.ndim > 3}


@pytest.mark.parametrize(
    ("slow", "chosen"), [("bfloat16", "float32"), ("float32", "bfloat16"), ("none", "float32")]
)
def test_the_faster_is_chosen_by_a_clear_margin(slow, chosen, monkeypatch):
    called: list[str] = []
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def step(option: str) -> None:
        called.append(option)
        now[0] += 1.0 if option == slow else 0.17 if option == "bfloat16" else 0.18

    options = ("float32", "bfloat16")
    assert fastest(nn.Linear(1, 1), torch.device("cpu"), options, step, "tiny") == chosen
    assert called == ["float32", "float32", "bfloat16", "bfloat16"]


def test_a_layout_moves_kernels_their_averages_and_moments_and_no_numbers(tmp_path, card):
    trained = {}
    for layout in (PLAIN, LAST):
        asked = request(tmp_path, layout=layout, work=tmp_path / layout)
        trainer = make_trainer(card, asked)
        trainer.run()
        assert layouts(trainer) == {layout == LAST}
        assert len([each for each in trainer.kernels() if each.ndim > 3]) == 2 * 4
        train(card, asked)
        trained[layout] = read_tensors(weights_path(card, "model"))
    for name, tensor in trained[PLAIN].items():
        torch.testing.assert_close(trained[LAST][name], tensor, rtol=1e-4, atol=1e-5)
        assert trained[LAST][name].is_contiguous()


def test_the_layout_is_measured_said_and_noted_and_may_change(tmp_path, card, capsys, monkeypatch):
    monkeypatch.setattr("bench.learned.training.loop.fastest", lambda *_: LAST)
    assert "stopped at step 3" in train(card, request(tmp_path, stop_after=3))
    trainer = make_trainer(card, request(tmp_path, layout=PLAIN))
    trainer.run()
    assert trainer.step == 6 and layouts(trainer) == {False}
    monkeypatch.undo()
    train(card, request(tmp_path, fresh=True))
    said = capsys.readouterr().err
    assert f"{PLAIN} " in said and f"{LAST} " in said and "s a step; training in c" in said
    facts = json.loads(weights_path(card, "model").with_suffix(".json").read_text())
    assert facts["settings"]["layout"] in (PLAIN, LAST)


def test_what_has_no_kernel_stays_as_it_is():
    vector = torch.arange(6.0).view(2, 3).T
    arrange([vector], PLAIN)
    assert not vector.is_contiguous()


def test_a_table_of_paces_by_threads_batch_and_layout(tmp_path, card, monkeypatch, capsys):
    monkeypatch.setattr("tests.speed.training_pace._SECONDS", 0.0)
    torch.set_num_threads(2)
    table = measure([card], request(tmp_path)).splitlines()
    assert torch.get_num_threads() == 2
    assert table[0].startswith("# Pace of training on cpu, ") and torch.__version__ in table[0]
    assert capsys.readouterr().err.startswith("kernels/model: measuring\n")
    header, rows = table[4], table[6:]
    assert "1 thread, contiguous | " in header and "1 thread, channels-last |" in header
    assert [row.split(" | ")[:2] for row in rows] == [["| kernels/model", n] for n in "124"]
    assert "\n".join(rows).count("**") == 2
    assert not (tmp_path / "work").exists()


def test_what_cannot_be_measured_is_named(tmp_path, card, monkeypatch):
    monkeypatch.setattr(KernelTask, "batch", lambda *_: (_ for _ in ()).throw(UsageError("gone")))
    assert measure([card], request(tmp_path)).endswith("kernels/model: not measured: gone\n")


def test_one_network_of_each_kind_is_measured():
    """`qcae` has a network a point and one part; `cifar-vae` has parts alone."""
    registry = load_registry()
    found = [
        [each.title for each in kinds(registry.codec(name))]
        for name in ("qcae", "cifar-vae", "vae3d", "jpeg")
    ]
    assert found == [
        ["qcae/codes=2", "qcae/context"], ["cifar-vae/ssim", "cifar-vae/mse"], ["vae3d/model"], []
    ]  # fmt: skip
