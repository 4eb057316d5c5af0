"""No step of a training waits for its device: run on the device "meta", which holds no values, so
that whoever asks for one (``.item()``, a mask as an index) fails, under a watch that finds copies
from the host."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench.cards import CodecCard, load_registry, read_codec
from bench.codecs.support.weights import save_weights, weights_path
from bench.learned.qcae.network import QuantisedAutoencoder
from bench.learned.qcae.task import ContextTask
from bench.learned.training.feed import generators, to_device
from bench.learned.training.loop import LoopOptions, Trainer
from bench.learned.training.request import TrainRequest, make_trainer
from bench.learned.vqvae2.network import VqVae2

META = torch.device("meta")
NETWORKS = [
    ("gaussian-ae", {"part": "d50"}),
    ("cifar-vae", {"part": "ssim"}),
    ("hyperprior", {}),
    ("vqvae2-512", {}),
    ("vqvae2-512", {"part": "pixelsnail-indices-top"}),
    ("vqvae2-512", {"part": "pixelsnail-vectors-bottom"}),
    ("vqvae2-512", {"part": "transformer-bottom"}),
    ("qcae", {"point": "codes=8"}),
    ("qcae-any", {}),
    ("qcae-any", {"part": "context"}),
    ("qcae-rd", {}),
    ("vae3d", {}),
]
SMALLER = {
    "crop = 128": "crop = 64",
    "pieces = 600": "pieces = 3",
    "clips = 150": "clips = 1",
    "size = 96": "size = 32",
    "dim = 64": "dim = 8",
    "codes = 512": "codes = 16",
}


class Watch(TorchDispatchMode):
    """Refuses copies from the host to another device, and tensors made of Python numbers, which on
    a GPU are such copies."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in ("lift_fresh", "_local_scalar_dense"):
            raise AssertionError(f"{name} in a step")
        out = func(*args, **(kwargs or {}))
        if name in ("_to_copy", "copy_", "to"):
            devices = {each.device.type for each in (*args, out) if isinstance(each, torch.Tensor)}
            assert len(devices) == 1, f"{name} between {devices}"
        return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, so that priors of one autoencoder share its indices."""
    return tmp_path_factory.mktemp("networks")


def _card(folder: Path, name: str) -> CodecCard:
    path = folder / f"{name}.toml"
    text = load_registry().codecs[name].read_text()
    for old, new in SMALLER.items():
        text = text.replace(old, new)
    path.write_text(text)
    return read_codec(path)


def _weights(card: CodecCard) -> None:
    """Random ones of the network that a prior or context model follows."""
    path = weights_path(card)
    if not path.exists():
        network = VqVae2(16, 8) if "vqvae2" in card.id else QuantisedAutoencoder()
        save_weights(path.parent, card.id, "model", network.state_dict(), precision="float16")


@pytest.mark.usefixtures("drawn_digits")
@pytest.mark.parametrize(("name", "which"), NETWORKS, ids=str)
def test_a_step_neither_reads_from_the_device_nor_copies_to_it(
    folder: Path, drawn_data: Path, monkeypatch: pytest.MonkeyPatch, name: str, which: dict
) -> None:
    for module in ("vqvae2.prior_task", "qcae.task", "qcae_rd.task"):
        monkeypatch.setattr(f"bench.learned.{module}._HELD_OUT", 1)
    card = _card(folder, name)
    if "part" in which and name in ("vqvae2-512", "qcae-any"):
        _weights(card)
    request = TrainRequest(**which, work=folder / "work", data=drawn_data, batch=2, steps=100_000)
    built = make_trainer(card, request)
    task = built.task
    if isinstance(task, ContextTask):
        task.levels = [each.to(META) for each in task.levels]
        task.indices = [each.to(META) for each in task.indices]
    trainer = Trainer(built.recipe, task, replace(built.options, device=META))
    # there is no autocast to switch off on this device
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    batches = [task.batch(step, generators(0, step)[1]) for step in range(2)]
    trainer.precision = "float32"
    # the first step makes the constants that are kept for each device
    trainer.train_step(to_device(batches[0], META))
    second = to_device(batches[1], META)
    trainer.optimiser.step = lambda *_: None  # its counters of steps are on the host
    with Watch():
        trainer.train_step(second)
        task.after_step(49)


def test_the_watch_sees_what_it_is_for() -> None:
    with Watch(), pytest.raises(AssertionError, match="lift_fresh"):
        torch.tensor([1.0, 2.0], device=META)
    host = torch.ones(3)
    with Watch(), pytest.raises(AssertionError, match="between"):
        host.to(META)
    with Watch(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        host.sum().item()
    for wait in (lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: bool(x.sum())):
        with pytest.raises((RuntimeError, NotImplementedError)):
            wait(torch.ones(3, device=META))
    assert LoopOptions(Path(), META).workers == 0
