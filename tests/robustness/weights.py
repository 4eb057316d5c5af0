"""Checkpoints and weight files that hold code, other shapes, or rubbish."""

from __future__ import annotations

import os
import pickle
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bench.cards import CodecCard, load_registry
from bench.codecs.build import build_codec
from bench.codecs.foreign.network import read_states
from bench.codecs.foreign.plain import Fault
from bench.errors import BenchError
from bench.learned.training.checkpoint import load_checkpoint
from bench.learned.training.settings import Recipe, TrainingSettings
from tests.robustness.mutations import mutate
from tests.robustness.targets import learned, payloads
from tests.robustness.trial import Finding, Room


class _Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def hostile_weights(room: Room) -> Finding:
    """The weight files of every learned codec here: a pickle in their place, every tensor with
    twice the rows, a tensor less, bytes changed; and checkpoints with a pickle inside."""
    faults: list[str] = []
    times = 0
    for card in learned(load_registry()):
        files = sorted((card.folder / "weights" / card.id).glob("*.safetensors"))
        if not files:
            continue
        for what in ("pickle", "shapes", "missing", *["bytes"] * room.repeats):
            copy = _copied(card, room.folder / f"{card.id}-{what}-{times}")
            blown = room.folder / f"blown-{times}"
            for file in sorted((copy.folder / "weights" / card.id).glob("*.safetensors")):
                _spoil(file, what, blown, room, times)
            fault = _load(copy, what)
            faults += [fault] if fault else []
            if blown.exists():
                faults.append(f"{card.id}: a pickle was run")
            times += 1
            shutil.rmtree(copy.folder)
    faults += _checkpoints(room.folder / "net.pt", room.folder / "blown")
    return Finding(times + 2, "sets of weights", tuple(faults))


def _checkpoints(path: Path, blown: Path) -> list[str]:
    """Faults of the readers of PyTorch's files, ours of a training and others' of a network."""
    import torch

    torch.save({"state_dict": _Bomb(blown)}, path)
    card = load_registry().codec("gaussian-ae")
    own = Recipe(card, "model", TrainingSettings(task="", steps=1, batch=1, learning_rate=1.0))
    readers: tuple[tuple[str, Callable[[], object]], ...] = (
        ("a training's checkpoint", lambda: load_checkpoint(path, own)),
        ("a network's checkpoint", lambda: read_states(str(path))),
    )
    faults = []
    for what, read in readers:
        try:
            read()
            faults.append(f"{what}: was taken")
        except (BenchError, Fault):
            pass
        except Exception as error:  # what is looked for
            faults.append(f"{what}: {type(error).__name__} ({str(error)[:120]})")
    return faults + (["a checkpoint's pickle was run"] if blown.exists() else [])


def _copied(card: CodecCard, folder: Path) -> CodecCard:
    (folder / "weights").mkdir(parents=True)
    shutil.copy(card.path, folder)
    shutil.copytree(card.folder / "weights" / card.id, folder / "weights" / card.id)
    return replace(card, path=folder / card.path.name)


def _spoil(path: Path, what: str, blown: Path, room: Room, seed: int) -> None:
    from safetensors import safe_open
    from safetensors.torch import save_file

    if what == "pickle":
        path.write_bytes(pickle.dumps(_Bomb(blown)))
        return
    if what == "bytes":  # of the table of tensors, whose values are nobody's business
        content = path.read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        dice = random.Random(room.seed + seed)
        path.write_bytes(mutate((content[:end],), dice) + content[end:])
        return
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if what == "missing":
        tensors.pop(random.Random(seed).choice(sorted(tensors)))
    else:
        tensors = {
            name: tensor.repeat(2, *[1] * (tensor.dim() - 1)) if tensor.dim() else tensor
            for name, tensor in tensors.items()
        }
    save_file({name: one.contiguous() for name, one in tensors.items()}, path, metadata)


def _load(card: CodecCard, what: str) -> str | None:
    """What does not hold when a codec is built from its spoilt weights."""
    try:
        codec = build_codec(card)
        codec.check_available()
        for payload in payloads(card, codec):
            codec.decode(payload).array()
    except BenchError:
        return None
    except Exception as error:  # what is looked for
        return f"{card.id}, {what}: {type(error).__name__} ({str(error)[:120]})"
    return None if what == "bytes" else f"{card.id}, {what}: was taken"
