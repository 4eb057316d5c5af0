"""Trainings that are stopped, damaged or asked for nonsense: what goes on and what is refused."""

from __future__ import annotations

import os
import pickle
import random
import signal
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from bench.cards import CodecCard
from bench.cli import main, make_parser
from bench.errors import BenchError, StoreError, UsageError
from bench.learned.training import loop
from bench.learned.training.checkpoint import FORMAT, load_checkpoint, save_checkpoint
from bench.learned.training.pace import FULL, LAST, PLAIN
from bench.learned.training.request import TrainRequest, carry_out, make_trainer, train
from bench.results.lock import lock_folder
from tests.system.with_torch.training.test_loop import card, request

__all__ = ["card"]
pytestmark = pytest.mark.usefixtures("drawn")


@pytest.fixture
def stopped(tmp_path: Path, card: CodecCard) -> Path:
    """The checkpoint of a training that was stopped at its third step."""
    train(card, request(tmp_path, stop_after=3))
    return tmp_path / "work" / "checkpoint.pt"


def test_a_turned_bit_is_refused_by_the_checksum(
    tmp_path: Path, card: CodecCard, stopped: Path
) -> None:
    content, generator = stopped.read_bytes(), random.Random(3)
    for place in [*(generator.randrange(len(content)) for _ in range(60)), -1, -70, -100]:
        damaged = bytearray(content)
        damaged[place] ^= 1 << generator.randrange(8)
        stopped.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"checksum is (wrong|missing)") as caught:
            train(card, request(tmp_path))
        assert "\n" not in str(caught.value)
    stopped.write_bytes(content)
    assert "40 steps" in train(card, request(tmp_path))


def earlier(stopped: Path, **changes: Any) -> bytes:
    """A checkpoint of format 2, which has no checksum."""
    table = torch.load(stopped, weights_only=True) | {"format": 2} | changes
    torch.save({key: value for key, value in table.items() if value is not None}, stopped)
    return stopped.read_bytes()


DAMAGE: dict[str, Any] = {
    "nothing": lambda path: b"",
    "words": lambda path: b"no checkpoint",
    "a pickle": lambda path: pickle.dumps({"step": print}),
    "half": lambda path: (found := earlier(path))[: len(found) // 2],
    "no end": lambda path: earlier(path)[:-30],
    "no middle": lambda path: (found := earlier(path))[:300] + found[900:],
    "a list": lambda path: saved(path, [1, 2]),
    "a number": lambda path: saved(path, 3),
    "a tensor": lambda path: saved(path, torch.ones(3)),
    "no step": lambda path: saved(path, {"codec": "tiny"}),
    "another key": lambda path: earlier(path, further=1),
    "step is text": lambda path: earlier(path, step="3"),
    "model is a list": lambda path: earlier(path, model=[1]),
    "model has numbers": lambda path: earlier(path, model={"layer.weight": 3}),
    "optimiser is empty": lambda path: earlier(path, optimiser={}),
    "optimiser of text": lambda path: earlier(path, optimiser={"state": "", "param_groups": ""}),
    "auxiliary is none": lambda path: earlier(path, auxiliary={"state": 1, "param_groups": [3]}),
    "average of numbers": lambda path: earlier(path, average={"layer.weight": 3}),
    "rows are a number": lambda path: earlier(path, rows=3),
    "lineage is strange": lambda path: earlier(path, lineage={"earlier": 3}),
    "lineage has more": lambda path: earlier(path, lineage={"earlier": (), "x": 3}),
    "a newer format": lambda path: earlier(path, format=FORMAT + 1),
    "no checksum": lambda path: earlier(path, format=FORMAT),
    "format is text": lambda path: earlier(path, format="2"),
    "settings are gone": lambda path: earlier(path, settings={}),
}


def saved(path: Path, value: Any) -> bytes:
    torch.save(value, path)
    return path.read_bytes()


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_checkpoint_is_refused_in_one_line(
    kind: str, tmp_path: Path, card: CodecCard, stopped: Path
) -> None:
    stopped.write_bytes(DAMAGE[kind](stopped))
    with pytest.raises(UsageError, match=r"checkpoint\.pt: .*--fresh") as caught:
        train(card, request(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_the_format_before_is_continued(
    tmp_path: Path, card: CodecCard, stopped: Path
) -> None:
    earlier(stopped)
    assert "40 steps" in train(card, request(tmp_path))


def test_a_resumed_training_keeps_precision_and_layout(
    tmp_path: Path, card: CodecCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine finds another layout the faster each time that it is asked."""
    asked: list[tuple[str, ...]] = []

    def fastest(model: object, device: object, choices: tuple[str, ...], *_: object) -> str:
        asked.append(choices)
        return choices[(len(asked) - 1) % 2]

    monkeypatch.setattr(loop, "fastest", fastest)
    auto = request(tmp_path, precision="auto", layout="auto", stop_after=3)
    train(card, auto)
    assert len(asked) == 2
    recipe = make_trainer(card, auto).recipe
    path = tmp_path / "work" / "checkpoint.pt"
    found = load_checkpoint(path, recipe)
    assert (found.precision, found.layout) == (FULL, LAST)
    train(card, replace(auto, stop_after=6))
    again = load_checkpoint(path, recipe)
    assert (again.precision, again.layout, again.step) == (FULL, LAST, 6)
    assert len(asked) == 2
    train(card, replace(auto, stop_after=9, layout=PLAIN))
    assert load_checkpoint(path, recipe).layout == PLAIN


def test_one_training_at_a_time_has_a_work_folder(
    tmp_path: Path, card: CodecCard, stopped: Path
) -> None:
    lock = lock_folder(tmp_path / "work")
    with pytest.raises(StoreError, match=r"another training is writing here.*--work"):
        train(card, request(tmp_path))
    assert "3 steps" in train(card, request(tmp_path, export=True))
    os.close(lock)
    assert "40 steps" in train(card, request(tmp_path))


def test_a_stop_by_signal_is_status_1_and_one_that_was_asked_for_0(
    tmp_path: Path, card: CodecCard, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    words = ["train", "tiny", "--point", "K=2", "--cards", str(tmp_path), "--work",
             str(tmp_path / "work")]  # fmt: skip
    assert main([*words, "--stop-after", "2"]) == 0

    def stop(task: object, step: int) -> None:
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    # the card names the module as it lies beside this one
    monkeypatch.setattr(import_module("test_loop").TinyTask, "after_step", stop)
    options = make_parser(words).parse_args(words)
    assert options.call(options) == 1
    assert "stopped by SIGTERM at step 5; run it again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--threads", "0"], "--threads 0"),
        (["--threads", "-2"], "--threads -2"),
        (["--threads", "1000000000"], "--threads 1000000000"),
        (["--workers", "-1"], "--workers -1"),
        (["--seed", "-1"], "--seed -1"),
        (["--seed", str(2**64)], f"--seed {2**64}"),
        (["--seed", str(10**40)], "--seed 1000"),
        (["--minutes", "nan"], "--minutes nan"),
        (["--minutes", "0"], "--minutes 0"),
        (["--budget", "nan"], "--budget nan"),
        (["--budget", "inf"], "--budget inf"),
        (["--budget", "-3"], "--budget -3"),
        (["--stop-after", "0"], "--stop-after 0"),
        (["--steps", "0"], "--steps 0"),
        (["--batch", "-4"], "--batch -4"),
        (["--export", "--fresh"], "--export"),
    ],
)
def test_nonsense_is_refused_by_name(
    words: list[str], says: str, tmp_path: Path, card: CodecCard, stopped: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    asked = ["train", "tiny", "--point", "K=2", "--cards", str(tmp_path), "--work",
             str(tmp_path / "work"), "--weights", str(tmp_path / "weights")]  # fmt: skip
    before = torch.get_num_threads()
    assert main([*asked, *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert torch.get_num_threads() == before
    assert not (tmp_path / "weights").exists()


def test_a_checkpoint_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, card: CodecCard, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_trainer(card, request(tmp_path)).recipe
    before = stopped.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(stopped, load_checkpoint(stopped, recipe))
    assert stopped.read_bytes() == before
    assert not list(stopped.parent.glob("*.new"))


def test_carry_out_tells_no_stop_of_a_training_that_ended(tmp_path: Path, card: CodecCard) -> None:
    outcome = carry_out(card, TrainRequest(point="K=2", work=tmp_path / "work"))
    assert not outcome.stopped and "40 steps" in outcome.sentence
    assert issubclass(StoreError, BenchError)
