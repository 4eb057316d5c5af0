"""The batches of a training's steps, made ahead of them where that is asked for.

Each is a function of (seed, step) alone, whoever makes it and when, so that a resumed training sees
the same ones.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Generator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from bench.errors import BenchError
from bench.learned.training.task import Batch, TrainingTask

_MOST_WORKERS = 8
_AHEAD = 3
"""Batches that each worker prepares ahead."""
T = TypeVar("T")


def default_workers(device: torch.device) -> int:
    """Processes that make batches: none on a CPU, where they would only take the cores of the
    network; for a GPU one a core, but for the one that drives it."""
    if device.type != "cuda":
        return 0
    return max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) - 1))


def generators(seed: int, step: int) -> tuple[int, np.random.Generator]:
    """torch's seed of a step and the generator of its batch."""
    sequence = np.random.SeedSequence([seed, step])
    torch_seed = int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))
    return torch_seed, np.random.default_rng(sequence)


@dataclass(frozen=True)
class _Steps(Dataset[object], Generic[Batch]):
    """A task's batches by step. An error is an item, so that the main process can raise it."""

    task: TrainingTask[Batch]
    seed: int

    def __getitem__(self, step: int) -> Batch | BenchError:
        try:
            return self.task.batch(step, generators(self.seed, step)[1])
        except BenchError as error:
            return error


def feed(
    task: TrainingTask[Batch],
    seed: int,
    steps: range,
    device: torch.device,
    workers: int = 0,
) -> Generator[Batch, None, None]:
    """The batches of ``steps`` in order, moved to the device; for a GPU through pinned memory, so
    that a copy runs beside the computation. ``workers`` processes make them ahead."""
    loader: DataLoader[object] = DataLoader(
        _Steps(task, seed),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        collate_fn=_unchanged,
        pin_memory=device.type == "cuda",
        worker_init_fn=_leave_signals,
        # else the loader draws from the generator that the steps of the training are seeded by
        generator=torch.Generator(),
        prefetch_factor=_AHEAD if workers else None,
        multiprocessing_context=_context() if workers else None,
    )
    for item in loader:
        if isinstance(item, BenchError):
            raise item
        yield to_device(cast(Batch, item), device)


def to_device(value: T, device: torch.device) -> T:
    """Tensors in tuples, lists and dicts, at any depth, on the device; all else as it is."""
    moved: object = value
    if isinstance(value, torch.Tensor):
        moved = value.to(device, non_blocking=True)
    elif isinstance(value, list):
        moved = [to_device(each, device) for each in value]
    elif isinstance(value, tuple):
        moved = tuple(to_device(each, device) for each in value)
    elif isinstance(value, dict):
        moved = {key: to_device(each, device) for key, each in value.items()}
    return cast(T, moved)


def _unchanged(item: object) -> object:
    return item


def _context() -> str | None:
    """Forked workers share the data in memory."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else None


def _leave_signals(worker: int) -> None:
    """A signal to the whole group is the training's to obey: it ends its workers itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
