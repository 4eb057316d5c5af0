"""The training loop on a small network: resume, refusals, weights, loss curve."""

from __future__ import annotations

import csv
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from bench.cards import CodecCard, read_codec
from bench.codecs.support.weights import load_into, load_weights, read_tensors, weights_path
from bench.errors import CardError, Unavailable, UsageError
from bench.learned.training import pace
from bench.learned.training.curve import plot_curve
from bench.learned.training.request import TrainRequest, make_trainer, train
from bench.learned.training.task import Losses, TaskBase

pytestmark = pytest.mark.usefixtures("drawn")

CARD = """
title = "tiny"
adapter = "tests:None"
media = ["vector"]
[ladder]
K = [2, 4]
[training]
per = "point"
task = "test_loop:TinyTask"
steps = 40
batch = 8
learning_rate = 0.01
ema = 0.9
clip = 1.0
validate_every = 10
[training.at."K=4"]
learning_rate = 0.02
[training.parts.prior]
learning_rate = 0.03
"""


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.dropout = nn.Dropout(0.2)
        self.quantiles = nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        return self.layer(self.dropout(x))


class TinyTask(TaskBase):
    def __init__(self, context) -> None:
        super().__init__(context)
        self.model = Tiny()

    def batch(self, step, rng):
        return torch.from_numpy(rng.standard_normal((self.settings.batch, 4), "float32"))

    def loss(self, batch, step):
        mse = torch.mean((self.model(batch) - batch) ** 2)
        if self.context.options.flag("diverge") and step == 7:
            mse = mse * float("nan")
        return Losses(mse, {"mse": mse.detach()}, torch.sum(self.model.quantiles**2))

    def auxiliary_parameters(self):
        return [self.model.quantiles]

    def after_step(self, step):
        self.model.seen += 1

    def validate(self):
        return {"norm": self.model.layer.weight.norm()}


@pytest.fixture
def card(tmp_path: Path) -> CodecCard:
    path = tmp_path / "codecs" / "tiny.toml"
    path.parent.mkdir()
    path.write_text(CARD)
    return read_codec(path)


def request(tmp_path: Path, **changes) -> TrainRequest:
    return TrainRequest(**{"point": "K=2", "work": tmp_path / "work", **changes})


def test_a_killed_and_continued_training_ends_with_the_same_weights(tmp_path, card):
    train(card, request(tmp_path, work=tmp_path / "a"))
    whole = weights_path(card, "K=2").read_bytes()
    rows = [row.split(",")[2:] for row in _curve(card).splitlines()]
    for stop in (7, 23):
        said = train(card, request(tmp_path, work=tmp_path / "b", stop_after=stop))
        assert f"stopped at step {stop}" in said
    train(card, request(tmp_path, work=tmp_path / "b"))
    assert weights_path(card, "K=2").read_bytes() == whole
    assert [row.split(",")[2:] for row in _curve(card).splitlines()] == rows


def _curve(card: CodecCard) -> str:
    return weights_path(card, "K=2").with_name("K=2.loss.csv").read_text()


def test_another_seed_gives_other_weights(tmp_path, card):
    train(card, request(tmp_path))
    first = weights_path(card, "K=2").read_bytes()
    train(card, request(tmp_path, seed=1, work=tmp_path / "other"))
    assert weights_path(card, "K=2").read_bytes() != first


def test_a_checkpoint_of_another_network_is_refused_by_name(tmp_path, card):
    train(card, request(tmp_path, stop_after=3))
    with pytest.raises(UsageError, match="tiny/K=2, not of tiny/K=4"):
        train(card, request(tmp_path, point="K=4"))


def test_a_changed_card_is_refused_with_the_changed_key(tmp_path, card):
    train(card, request(tmp_path, stop_after=3))
    with pytest.raises(UsageError, match="seed 0 → 5"):
        train(card, request(tmp_path, seed=5))
    assert "tiny" in train(card, request(tmp_path, seed=5, fresh=True))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"no checkpoint"])
def test_a_broken_checkpoint_is_a_clear_error(tmp_path, card, content):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "checkpoint.pt").write_bytes(content)
    with pytest.raises(UsageError, match="not a checkpoint"):
        train(card, request(tmp_path))


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, card):
    (tmp_path / "work").mkdir()
    torch.save({"codec": Tiny()}, tmp_path / "work" / "checkpoint.pt")
    with pytest.raises(UsageError, match="not a checkpoint"):
        train(card, request(tmp_path))


def test_points_and_parts_have_their_own_settings(tmp_path, card):
    with pytest.raises(UsageError, match="give --point K=2 or K=4"):
        train(card, request(tmp_path, point=None))
    with pytest.raises(UsageError, match="has no point K=3"):
        train(card, request(tmp_path, point="K=3"))
    train(card, request(tmp_path, point=None, part="prior"))
    facts = json.loads(weights_path(card, "prior").with_suffix(".json").read_text())
    assert facts["settings"]["learning_rate"] == 0.03


def test_the_model_card_says_what_was_trained(tmp_path, card, drawn):
    train(card, request(tmp_path))
    facts = json.loads(weights_path(card, "K=2").with_suffix(".json").read_text())
    assert facts["steps"] == 40 and facts["device"] == "cpu" and "norm" in facts["validation"]
    rows = list(csv.DictReader(_curve(card).splitlines()))
    assert float(rows[-1]["mse"]) < float(rows[0]["mse"])
    assert drawn == [weights_path(card, "K=2").with_name("K=2.loss.png")]
    plot_curve(tmp_path / "curve.png", [{"step": 1.0, "mse": 2.0}, {"step": 9.0, "mse": 0.5}])
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_a_continued_training_remembers_what_it_started_from(tmp_path, card):
    train(card, request(tmp_path))
    first = weights_path(card, "K=2")
    before = _facts(card)
    for suffix in (".safetensors", ".json"):
        first.with_suffix(suffix).rename(tmp_path / f"base{suffix}")
    again = {"work": tmp_path / "again"}
    train(card, request(tmp_path, start=tmp_path / "base.safetensors", stop_after=5, **again))
    (tmp_path / "base.json").unlink()  # what was known at the start is in the checkpoint
    train(card, request(tmp_path, **again))
    facts = _facts(card)
    assert facts["started_from"] == "base.safetensors"
    assert facts["started_from_sha256"] == before["sha256"]
    assert facts["earlier_known"] is True
    assert facts["earlier_trainings"] == [
        {"weights": "tiny/K=2", "sha256": before["sha256"], "started_from": None, "steps": 40,
         "seconds": before["seconds"]}
    ]  # fmt: skip


def test_a_model_card_tells_all_trainings_in_a_row(tmp_path, card):
    path = weights_path(card, "K=2")
    for index, steps in enumerate((2, 3, 4)):
        start = path if index else None
        train(card, request(tmp_path, start=start, steps=steps, work=tmp_path / str(index)))
    facts = _facts(card)
    assert [one["steps"] for one in facts["earlier_trainings"]] == [2, 3]
    assert facts["steps"] == 4 and facts["earlier_known"] is True


@pytest.mark.parametrize("kind", ["no card", "of other weights", "broken"])
def test_a_start_whose_trainings_nobody_tells_is_said_to_be_unknown(tmp_path, card, kind):
    train(card, request(tmp_path, steps=2))
    path = weights_path(card, "K=2")
    told = path.with_suffix(".json")
    if kind == "no card":
        told.unlink()
    else:
        told.write_text(told.read_text().replace(_facts(card)["sha256"], "0" * 64)
                        if kind == "of other weights" else "{")  # fmt: skip
    train(card, request(tmp_path, start=path, steps=3, work=tmp_path / "again"))
    facts = _facts(card)
    assert facts["started_from"] == path.name
    assert facts["earlier_trainings"] == [] and facts["earlier_known"] is False


def _facts(card):
    return json.loads(weights_path(card, "K=2").with_suffix(".json").read_text())


def test_a_model_card_says_what_was_tried_before(tmp_path, card):
    sentences = ["Batch 8 for 16: mse 0.4 after 20 minutes, 0.5 without."]
    changed = replace(card, training={**card.training, "tried": sentences})
    train(changed, request(tmp_path, steps=2))
    facts = json.loads(weights_path(card, "K=2").with_suffix(".json").read_text())
    assert facts["tried"] == sentences
    with pytest.raises(CardError, match="list of sentences"):
        train(replace(card, training={**card.training, "tried": "much"}), request(tmp_path))


def test_a_part_is_not_left_beside_other_networks_than_it_learned_from(tmp_path, card):
    train(card, request(tmp_path))
    out = tmp_path / "out"
    train(card, request(tmp_path, weights=out, work=tmp_path / "other", seed=1))
    part = {"point": None, "part": "prior", "weights": out, "work": tmp_path / "part"}
    with pytest.raises(UsageError, match=r"another K=2\.safetensors; copy that one there first"):
        train(card, request(tmp_path, **part))
    assert not (out / "prior.safetensors").exists()
    (out / "K=2.safetensors").write_bytes(weights_path(card, "K=2").read_bytes())
    train(card, request(tmp_path, **part))
    train(card, request(tmp_path, **part, fresh=True))  # a part that is there is what it replaces


def test_a_time_budget_ends_the_schedule(tmp_path, card):
    said = train(card, request(tmp_path, budget=1e-9))
    assert ": 1 steps" in said


def test_a_loss_that_is_not_finite_stops_with_the_step(tmp_path, card):
    path = card.path
    path.with_name("nan.toml").write_text(CARD + "[training.options]\ndiverge = true\n")
    with pytest.raises(UsageError, match="became nan by step 8"):
        train(read_codec(path.with_name("nan.toml")), request(tmp_path))


def test_bfloat16_trains_and_exports_float16(tmp_path, card):
    text = CARD.replace("[training.at", 'precision = "bfloat16"\nweights = "float16"\n[training.at')
    card.path.with_name("half.toml").write_text(text)
    half = read_codec(card.path.with_name("half.toml"))
    train(half, request(tmp_path))
    assert load_weights(half, "K=2")["layer.weight"].dtype == torch.float32
    size = weights_path(half, "K=2").stat().st_size
    assert size < 500


def test_weights_that_are_missing_truncated_or_foreign_are_named(tmp_path, card):
    with pytest.raises(Unavailable, match=r"K=2\.safetensors.*bench train tiny"):
        load_weights(card, "K=2")
    train(card, request(tmp_path))
    path = weights_path(card, "K=2")
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(CardError, match="truncated"):
        load_weights(card, "K=2")
    path.with_name("K=4.safetensors").write_bytes(whole)
    with pytest.raises(CardError, match="tiny/K=2, not of tiny/K=4"):
        load_weights(card, "K=4")


def test_weights_of_another_architecture_are_refused(tmp_path, card):
    train(card, request(tmp_path))
    with pytest.raises(CardError, match="another architecture"):
        load_into(nn.Linear(3, 3), load_weights(card, "K=2"), weights_path(card, "K=2"))


def test_unknown_keys_and_devices_are_usage_errors(tmp_path, card):
    path = card.path.with_name("bad.toml")
    path.write_text(CARD.replace("steps = 40", "steps = 40\nlearning_rat = 1"))
    with pytest.raises(CardError, match="learning_rate"):
        train(read_codec(path), request(tmp_path))
    with pytest.raises(UsageError, match="--device"):
        train(card, request(tmp_path, device="tpux"))


@pytest.mark.parametrize(("halved", "chosen"), [(0.9, "float32"), (0.8, "bfloat16")])
def test_auto_precision_is_measured_and_said_and_leaves_no_trace(
    tmp_path, card, capsys, monkeypatch, halved, chosen
):
    """Half precision must be faster by a factor of 1.2; how fast it is here is not asked."""
    monkeypatch.setattr(
        pace, "_seconds", lambda _, step, option: (step(option), halved ** (option == pace.HALF))[1]
    )
    path = card.path.with_name("auto.toml")
    path.write_text(CARD.replace("[training.at", 'precision = "auto"\n[training.at'))
    auto = read_codec(path)
    train(auto, request(tmp_path))
    said = f"float32 1 s a step, bfloat16 {halved} s a step; training in {chosen}"
    assert said in capsys.readouterr().err
    assert _precision(auto) == chosen
    plain = load_weights(auto, "K=2")["layer.weight"]
    train(auto, request(tmp_path, precision=_precision(auto), work=tmp_path / "other"))
    assert torch.equal(load_weights(auto, "K=2")["layer.weight"], plain)


def test_minutes_end_a_command_that_the_next_one_continues(tmp_path, card):
    assert "stopped at step" in train(card, request(tmp_path, minutes=1e-9))
    assert ": 40 steps" in train(card, request(tmp_path))


def test_batch_and_precision_may_change_between_continuations(tmp_path, card):
    train(card, request(tmp_path, stop_after=5))
    said = train(card, request(tmp_path, batch=3, precision="bfloat16"))
    assert ": 40 steps" in said
    facts = json.loads(weights_path(card, "K=2").with_suffix(".json").read_text())
    assert (facts["settings"]["batch"], facts["settings"]["precision"]) == (3, "bfloat16")
    with pytest.raises(UsageError, match="no option crop"):
        train(card, request(tmp_path, crop=64))


def test_batches_made_ahead_change_nothing(tmp_path, card):
    train(card, request(tmp_path, work=tmp_path / "a"))
    whole = weights_path(card, "K=2").read_bytes()
    train(card, request(tmp_path, work=tmp_path / "b", workers=1, stop_after=9))
    train(card, request(tmp_path, work=tmp_path / "b", workers=1))
    assert weights_path(card, "K=2").read_bytes() == whole


@pytest.mark.usefixtures("as_at_a_terminal")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_the_step_end_and_is_obeyed(tmp_path, card, monkeypatch, number):
    train(card, request(tmp_path, work=tmp_path / "whole"))
    whole = weights_path(card, "K=2").read_bytes()
    seen, loss = [], TinyTask.loss

    def interrupted(self, batch, step):
        seen.append(step)
        if step == 5 and len(seen) == 6:
            os.kill(os.getpid(), number)
        return loss(self, batch, step)

    interrupted_task = type("InterruptedTask", (TinyTask,), {"loss": interrupted})
    monkeypatch.setattr("test_loop.TinyTask", interrupted_task)
    before = signal.getsignal(number)
    said = train(card, request(tmp_path))
    assert f"stopped by {signal.Signals(number).name} at step 6" in said and seen[-1] == 5
    assert signal.getsignal(number) is before
    train(card, request(tmp_path))
    assert weights_path(card, "K=2").read_bytes() == whole


def test_weights_of_a_checkpoint_are_exported_in_the_middle(tmp_path, card):
    with pytest.raises(UsageError, match="no checkpoint to export"):
        train(card, request(tmp_path, export=True))
    train(card, request(tmp_path, stop_after=7))
    checkpoint = (tmp_path / "work" / "checkpoint.pt").read_bytes()
    said = train(card, request(tmp_path, export=True, weights=tmp_path / "half"))
    assert "7 steps" in said and "norm" in said
    assert (tmp_path / "work" / "checkpoint.pt").read_bytes() == checkpoint
    facts = json.loads((tmp_path / "half" / "K=2.json").read_text())
    assert facts["steps"] == 7 and not facts["schedule_finished"] and facts["validation"]["norm"]
    # what was exported is a start
    start = tmp_path / "half" / "K=2.safetensors"
    train(card, request(tmp_path, start=start, work=tmp_path / "other", steps=1))
    table = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)
    averaged = table["average"]["layer.weight"]
    assert torch.equal(read_tensors(start)["layer.weight"], averaged)


def test_a_finished_training_that_is_given_more_warms_up_again(tmp_path, card):
    train(card, request(tmp_path, steps=20))
    table = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)
    assert table["annealed"] and table["optimiser"]["param_groups"][0]["lr"] < 1e-4
    rates = []
    for stop in (21, 22, 40, 60):
        train(card, request(tmp_path, steps=60, stop_after=stop))
        table = torch.load(tmp_path / "work" / "checkpoint.pt", weights_only=True)
        rates.append(table["optimiser"]["param_groups"][0]["lr"] / 0.01)
    # the warm-up is 2 % of 40 steps; the cosine spans the others, of which 18.2 are over by 39
    assert rates == pytest.approx([0.01, 1, 0.556, 0], abs=0.01)
    assert table["since_step"] == 20


def test_a_checkpoint_of_the_first_format_goes_on(tmp_path, card):
    """It does not say whether its schedule had ended; that is seen."""
    path = tmp_path / "work" / "checkpoint.pt"
    for steps, since in ((20, 20), (40, 0)):
        train(card, request(tmp_path, steps=steps, stop_after=20, fresh=True))
        table = torch.load(path, weights_only=True)
        for key in ("precision", "since_step", "since_seconds", "annealed"):
            del table[key]
        torch.save(table | {"format": 1}, path)
        train(card, request(tmp_path, steps=40, stop_after=21))
        assert torch.load(path, weights_only=True)["since_step"] == since
    torch.save(table | {"format": 9}, path)
    with pytest.raises(UsageError, match="format 9; this version reads 1, 2, 3"):
        train(card, request(tmp_path))


def test_a_checkpoint_of_an_earlier_version_goes_on_unless_it_is_compact(tmp_path, card):
    """Earlier versions noted where the moments of the optimiser had been rounded to float8."""
    path = tmp_path / "work" / "checkpoint.pt"
    train(card, request(tmp_path, stop_after=7))
    table = torch.load(path, weights_only=True) | {"format": 2}
    torch.save(table | {"rounded": (5,), "compact": False}, path)
    assert "stopped at step 9" in train(card, request(tmp_path, stop_after=9))
    torch.save(table | {"rounded": (7,), "compact": True}, path)
    with pytest.raises(UsageError, match=r"checkpoint\.pt: a compact checkpoint .* --start"):
        train(card, request(tmp_path))


def test_a_gpu_has_a_batch_of_its_own(tmp_path, card, monkeypatch):
    monkeypatch.setattr("bench.learned.training.request._device", lambda name: torch.device("cpu"))
    path = card.path.with_name("gpu.toml")
    path.write_text(CARD.replace("batch = 8", "batch = 8\ngpu_batch = 64"))
    gpu = read_codec(path)
    sizes = [
        make_trainer(gpu, request(tmp_path, **each)).settings.batch
        for each in ({}, {"device": "cuda"}, {"device": "cuda:1", "batch": 5})
    ]
    assert sizes == [8, 64, 5]


def _precision(card) -> str:
    facts = json.loads(weights_path(card, "K=2").with_suffix(".json").read_text())
    return facts["settings"]["precision"]
