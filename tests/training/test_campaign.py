"""Many trainings in turn: which network is next, slices that outlive a kill, the log."""

from __future__ import annotations

import csv
import itertools
import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from test_loop import Tiny, TinyTask

from bench.cards import CodecCard, Registry, load_registry, read_codec
from bench.cli import main
from bench.errors import DataError, UsageError
from bench.training.campaign import Campaign, choose, networks_of
from bench.training.command import TrainRequest
from bench.training.journal import Journal, Sample, Slice, _plot
from bench.weights import read_tensors, save_weights, weights_path

pytestmark = pytest.mark.usefixtures("drawn")

CARD = """
title = "two"
adapter = "tests:None"
media = ["vector"]
[ladder]
K = [2, 4]
[training]
task = "test_loop:TinyTask"
steps = 40
batch = 8
learning_rate = 0.01
ema = 0.9
[training.parts.prior]
task = "test_campaign:FollowingTask"
"""
QUICK = 0.1
"""Minutes of a clock that half a second passes on whenever it is read."""


class FollowingTask(TinyTask):
    """Needs the weights that it follows."""

    def __init__(self, context) -> None:
        super().__init__(context)
        if not weights_path(context.recipe.card).exists():
            raise DataError("nothing to follow")


class LostTask(TinyTask):
    def __init__(self, context) -> None:
        raise DataError("no data here")


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = itertools.count(0.0, 0.5)
    read = SimpleNamespace(monotonic=lambda: next(readings), perf_counter=lambda: next(readings))
    for module in ("loop", "clock", "campaign"):
        monkeypatch.setattr(f"bench.training.{module}.time", read)


@pytest.fixture
def card(tmp_path: Path) -> CodecCard:
    path = tmp_path / "codecs" / "two.toml"
    path.parent.mkdir()
    path.write_text(CARD)
    return read_codec(path)


def _slice(network: str, minutes: float, first: float, last: float, base: float = 0) -> Slice:
    curve = (Sample(minutes / 2, 1, first), Sample(minutes, 2, last))
    return Slice(network, 0.0, minutes, base, curve)


def test_the_fastest_relative_fall_a_minute_is_next(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.gain("a", 0) == math.inf
    journal.slices += [_slice("a", 10, 8, 4), _slice("b", 2, 100, 90)]
    assert (journal.gain("a", 0), journal.gain("b", 0)) == pytest.approx((0.05, 0.05))
    journal.slices += [_slice("a", 20, 7, 3.8), _slice("b", 4, 99, 89)]
    # from the end of one slice to the end of the next; the start has another learning rate
    assert journal.gain("a", 0) == pytest.approx(0.2 / 4 / 20)
    assert journal.gain("b", 0) == pytest.approx(1 / 90 / 4)
    assert journal.gain("a", 3.0) == math.inf
    assert journal.minutes() == 36 and journal.minutes(["a"]) == 30


def test_what_follows_comes_late_and_again_after_what_it_follows(card: CodecCard) -> None:
    model, prior = networks_of(card)
    assert (model.title, prior.title, prior.follows) == ("two/model", "two/prior", ("two/model",))
    journal = Journal(card.path.parent)
    assert choose([model, prior], journal, late=False) is model
    journal.slices += [_slice("two/model", 10, 8, 4), _slice("two/prior", 5, 3, 3, base=10)]
    assert choose([model, prior], journal, late=False) is model
    assert choose([model, prior], journal, late=True) is prior
    assert choose([prior], journal, late=False) is prior
    assert choose([model], journal, late=True) is model
    assert journal.gain("two/prior", 10) == 0
    assert journal.gain("two/prior", 15) == math.inf


def test_the_networks_of_our_cards() -> None:
    registry = load_registry()
    found = {name: networks_of(registry.codec(name)) for name in registry.codecs}
    assert len(found["qcae"]) == 8 and len(found["qcae"][-1].follows) == 7
    assert [each.name for each in found["gaussian-ae"]] == ["d10", "d30", "d50"]
    assert not found["gaussian-ae"][0].follows and not found["jpeg"]
    assert len(found["vqvae2-512"]) == 7


def test_a_campaign_trains_all_and_goes_on(
    tmp_path: Path, card: CodecCard, drawn: list[Path]
) -> None:
    request = TrainRequest(minutes=6 * QUICK, work=tmp_path / "work")
    said = Campaign([card], request, slice_minutes=QUICK).run()
    assert "2 networks" in said and "0 could not" in said
    weights = tmp_path / "work" / "codecs" / "weights" / "two"
    assert sorted(each.name for each in weights.glob("*.safetensors")) == [
        "model.safetensors", "prior.safetensors",
    ]  # fmt: skip
    assert not weights_path(card).exists()
    facts = json.loads((weights / "model.json").read_text())
    assert facts["schedule_finished"] and facts["validation"]["norm"] > 0
    before = Journal.open(tmp_path / "work")
    Campaign([card], request, slice_minutes=QUICK).run()
    after = Journal.open(tmp_path / "work")
    assert after.slices[: len(before.slices)] == before.slices and not after.until
    assert len(after.slices) > len(before.slices)
    rows = list(csv.DictReader((tmp_path / "work" / "log.csv").open()))
    assert len(rows) == sum(len(each.curve) for each in after.slices)
    assert list(rows[0]) == ["minutes", "network", "network_minutes", "step", "loss"]
    assert drawn[-1] == tmp_path / "work" / "log.png"
    _plot(tmp_path / "log.png", after.slices)
    assert (tmp_path / "log.png").stat().st_size > 1000
    steps = [int(row["step"]) for row in rows if row["network"] == "two/model"]
    assert steps == sorted(set(steps))


def test_a_slice_that_was_cut_off_is_finished_first(
    tmp_path: Path, card: CodecCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = TrainRequest(minutes=1.0, work=tmp_path / "work")
    step, kills = TinyTask.loss, []

    def killed(self, batch, number):
        if number == 3 and not kills:
            kills.append(number)
            raise KeyboardInterrupt
        return step(self, batch, number)

    monkeypatch.setattr(TinyTask, "loss", killed)
    with pytest.raises(KeyboardInterrupt):
        Campaign([card], request, slice_minutes=QUICK).run()
    until = Journal.open(tmp_path / "work").until
    assert until == {"two/model": QUICK}
    campaign = Campaign([card], request, slice_minutes=5 * QUICK)
    campaign.minutes = 3 * QUICK
    campaign.run()
    done = Journal.open(tmp_path / "work").slices[0]
    assert done.network == "two/model"
    # the slice of the killed command, not one of the new length
    assert QUICK <= done.minutes < 2 * QUICK


def test_shipped_weights_are_the_start_unless_they_do_not_fit(
    tmp_path: Path, card: CodecCard, capsys: pytest.CaptureFixture[str]
) -> None:
    network = Tiny()
    torch.nn.init.constant_(network.layer.weight, 3.0)
    folder = weights_path(card).parent
    save_weights(folder, "two", "model", network.state_dict(), precision="float32")
    request = TrainRequest(minutes=QUICK, work=tmp_path / "work")
    Campaign([card], request).run()
    written = tmp_path / "work" / "codecs" / "weights" / "two" / "model.safetensors"
    assert json.loads(written.with_suffix(".json").read_text())["started_from"] == written.name
    assert read_tensors(written)["layer.weight"].mean() > 2
    assert float(read_tensors(weights_path(card))["layer.weight"].mean()) == 3

    save_weights(folder, "two", "model", {"foreign": torch.ones(2)}, precision="float32")
    Campaign([card], TrainRequest(minutes=QUICK, work=tmp_path / "other")).run()
    assert "starts from nothing: two/model: weights of another arch" in capsys.readouterr().err


def test_a_network_that_lacks_something_is_named_and_left_out(
    tmp_path: Path, card: CodecCard, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CARD.replace("test_loop:TinyTask", "test_campaign:LostTask")
    card.path.with_name("lost.toml").write_text(text.split("[training.parts")[0])
    lost = read_codec(card.path.with_name("lost.toml"))
    request = TrainRequest(minutes=QUICK, work=tmp_path / "work")
    assert "1 could not" in Campaign([lost, card], request).run()
    assert "lost/model: not trained: no data here" in capsys.readouterr().err
    with pytest.raises(UsageError, match="no network can be trained; no data here"):
        Campaign([lost], request).run()


def test_a_broken_state_is_refused_unless_fresh(tmp_path: Path, card: CodecCard) -> None:
    (tmp_path / "campaign.json").write_text('{"format": 1}')
    with pytest.raises(UsageError, match=r"campaign\.json: not the state"):
        Journal.open(tmp_path)
    assert not Journal.open(tmp_path, fresh=True).slices


def test_the_command_line(
    tmp_path: Path, card: CodecCard, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = ["--cards", str(card.path.parent)]
    work = ["--work", str(tmp_path / "work")]
    assert main(["train", "two", "--all", "--minutes", "0.1", *work, *cards]) == 0
    assert "slices of" in capsys.readouterr().out
    for words, message in (
        (["two", "--all"], "give --minutes"),
        (["two", "--all", "--minutes", "1", "--batch", "2"], "--batch is for one network"),
        (["jpeg", "--all", "--minutes", "1"], "jpeg has no [training] table"),
        (["two", "two"], "give one codec, or --all"),
    ):
        assert main(["train", *words, *cards]) == 2
        assert message in capsys.readouterr().err
    assert isinstance(load_registry(), Registry)
