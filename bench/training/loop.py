"""The one training loop: steps, checkpoints, the loss curve, and weights at the end.

Owns optimisers, schedule, seeds, devices and files of a training; knows no network and no data.
A run that is killed and started again ends with the same weights as one that was not (on the CPU,
with a schedule by steps): each step draws its random numbers from (seed, step) alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.errors import UsageError
from bench.training.average import WeightAverage
from bench.training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from bench.training.precision import AUTO, FULL, autocast, faster_precision
from bench.training.progress import show_progress
from bench.training.schedule import rate_factor
from bench.training.settings import Recipe, TrainingSettings
from bench.training.task import Losses, TrainingTask

CHECKPOINT = "checkpoint.pt"
_CURVE_ROWS = 400


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a training runs, as far as the card does not say.

    ``budget`` is the wall time in minutes of all continuations together: the schedule then follows
    the clock and ends with it. ``minutes`` and ``stop_after``, a step, end this process early, at a
    checkpoint. ``start`` names the weights that the task was given, for the record.
    """

    work: Path
    device: torch.device
    budget: float | None = None
    minutes: float | None = None
    fresh: bool = False
    stop_after: int | None = None
    start: str = ""
    checkpoint_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Trained:
    """The end of a training: figures of the last validation and the rows of the loss curve."""

    steps: int
    seconds: float
    figures: Mapping[str, float]
    rows: tuple[Mapping[str, float], ...]
    finished: bool
    start: str = ""
    precision: str = FULL


class Trainer:
    """One training in one process: ``run`` drives it to its end or to ``stop_after``."""

    def __init__(self, recipe: Recipe, task: TrainingTask, options: LoopOptions) -> None:
        self.recipe, self.task, self.options = recipe, task, options
        self.settings = recipe.settings
        self.model = task.model.to(options.device)
        self.optimiser = _optimiser(self.settings, task.parameter_groups())
        auxiliary = list(task.auxiliary_parameters())
        self.auxiliary = (
            torch.optim.Adam(auxiliary, self.settings.auxiliary_learning_rate)
            if auxiliary
            else None
        )
        ema = self.settings.ema
        self.average = WeightAverage(self.model, ema) if ema is not None else None
        self.step, self.seconds = 0, 0.0
        self.start, self.precision = options.start, self.settings.precision
        self.rows: list[dict[str, float]] = []
        self._window: dict[str, float] = {}
        self._window_steps = 0
        self._every = max(1, self.settings.steps // _CURVE_ROWS)

    def run(self) -> Trained:
        """Trains from the checkpoint in the work folder, or from the start."""
        path = self.options.work / CHECKPOINT
        if path.exists() and not self.options.fresh:
            self._restore(load_checkpoint(path, self.recipe))
        title = f"{self.recipe.codec}/{self.recipe.name}"
        if self.precision == AUTO:
            self.precision = faster_precision(
                self.model, self.options.device, self._gradients, title
            )
        base, start = self.seconds, time.perf_counter()
        last_save = start
        stop = self.options.stop_after or self.settings.steps
        until = start + 60 * (self.options.minutes or math.inf)
        with show_progress(title, self.fraction) as progress:
            while self.step < stop and self.fraction < 1 and time.perf_counter() < until:
                try:
                    self._train_step()
                except KeyboardInterrupt:
                    # the interrupted step is repeated from the last whole checkpoint
                    raise UsageError(
                        f"{title}: interrupted at step {self.step}; the same command continues it"
                    ) from None
                now = time.perf_counter()
                self.seconds = base + now - start
                progress.update(self.step, self.fraction, self.rows[-1] if self.rows else {})
                if now - last_save > self.options.checkpoint_seconds:
                    save_checkpoint(path, self._checkpoint())
                    last_save = time.perf_counter()
        save_checkpoint(path, self._checkpoint())
        finished = self.step >= self.settings.steps or self.fraction >= 1
        figures = self._validate() if finished else {}
        return Trained(
            self.step,
            self.seconds,
            figures,
            tuple(self.rows),
            finished,
            self.start,
            self.precision,
        )

    @property
    def fraction(self) -> float:
        """How much of the run is done, by steps or, with a budget of time, by the clock."""
        done = self.step / self.settings.steps
        if self.options.budget is not None:
            done = max(done, self.seconds / (60 * self.options.budget))
        return min(done, 1.0)

    def export(self) -> dict[str, torch.Tensor]:
        """The task's weights, averaged if the card says so."""
        self.model.eval()
        with self._averaged():
            return {key: each.detach().clone() for key, each in self.task.export().items()}

    def _gradients(self, precision: str) -> Losses:
        """The losses of the current step, their gradients in the parameters."""
        settings, device = self.settings, self.options.device
        seed = np.random.SeedSequence([settings.seed, self.step])
        torch.manual_seed(int(seed.generate_state(1, np.uint64)[0] >> np.uint64(1)))
        self.model.train()
        batch = _to_device(self.task.batch(self.step, np.random.default_rng(seed)), device)
        with autocast(precision, device):
            losses = self.task.loss(batch, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total)
        return losses

    def _train_step(self) -> None:
        settings = self.settings
        losses = self._gradients(self.precision)
        factor = rate_factor(settings, self.fraction)
        for group in self.optimiser.param_groups:
            group["lr"] = settings.learning_rate * group["factor"] * factor
        if settings.clip is not None:
            groups = self.optimiser.param_groups
            mine = [each for group in groups for each in group["params"]]
            torch.nn.utils.clip_grad_norm_(mine, settings.clip)
        self.optimiser.step()
        if self.auxiliary is not None and losses.auxiliary is not None:
            self.auxiliary.zero_grad(set_to_none=True)
            torch.autograd.backward(losses.auxiliary)
            self.auxiliary.step()
        self.task.after_step(self.step)
        self.step += 1
        if self.average is not None:
            self.average.update(self.step)
        self._record(losses)

    def _record(self, losses: Losses) -> None:
        values = {"loss": losses.total, **losses.parts}
        if losses.auxiliary is not None:
            values["auxiliary"] = losses.auxiliary
        for key, value in values.items():
            # sums stay on the device: reading one on every step would stall a GPU
            self._window[key] = self._window.get(key, 0.0) + value.detach().double()  # type: ignore[assignment]
        self._window_steps += 1
        every = self.settings.validate_every
        validate = bool(every) and self.step % every == 0 and self.step < self.settings.steps
        if self.step % self._every and self.step != self.settings.steps and not validate:
            return
        row: dict[str, float] = {"step": self.step, "seconds": round(self.seconds, 3)}
        row |= {key: float(value) / self._window_steps for key, value in self._window.items()}
        self._check_finite()
        if validate:
            row |= {f"validation_{key}": value for key, value in self._validate().items()}
        self.rows.append(row)
        self._window, self._window_steps = {}, 0

    def _check_finite(self) -> None:
        total = float(self._window.get("loss", 0.0))
        if not math.isfinite(total):
            raise UsageError(
                f"{self.recipe.codec}/{self.recipe.name}: the loss became {total} by step "
                f"{self.step}; lower learning_rate or set clip in the card's [training]"
            )

    def _validate(self) -> dict[str, float]:
        self.model.eval()
        with self._averaged(), torch.no_grad():
            return {key: float(value) for key, value in self.task.validate().items()}

    def _averaged(self) -> Any:
        return self.average.applied() if self.average is not None else nullcontext()

    def _checkpoint(self) -> Checkpoint:
        self._check_finite()
        return Checkpoint(
            codec=self.recipe.codec,
            name=self.recipe.name,
            settings=self.settings.comparable(),
            step=self.step,
            seconds=self.seconds,
            model=dict(self.model.state_dict()),
            optimiser=self.optimiser.state_dict(),
            auxiliary=self.auxiliary.state_dict() if self.auxiliary else {},
            average=dict(self.average.values) if self.average else {},
            rows=self.rows,
            window={key: float(value) for key, value in self._window.items()},
            window_steps=self._window_steps,
            start=self.start,
        )

    def _restore(self, checkpoint: Checkpoint) -> None:
        try:
            self.model.load_state_dict(checkpoint.model)
            self.optimiser.load_state_dict(checkpoint.optimiser)
            if self.auxiliary is not None:
                self.auxiliary.load_state_dict(checkpoint.auxiliary)
        except (RuntimeError, ValueError, KeyError) as error:
            raise UsageError(
                f"{self.options.work / CHECKPOINT}: of another architecture ({error}); --fresh"
            ) from error
        if self.average is not None:
            self.average.load(checkpoint.average)
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        self.rows = list(checkpoint.rows)
        self._window = dict(checkpoint.window)
        self._window_steps = checkpoint.window_steps
        self.start = checkpoint.start


def _optimiser(
    settings: TrainingSettings, groups: list[dict[str, Any]]
) -> torch.optim.Adam | torch.optim.AdamW:
    ready = []
    for group in groups:
        factor = group.get("lr", 1.0)
        ready.append({**group, "factor": factor, "lr": settings.learning_rate * factor})
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(ready, lr=settings.learning_rate, weight_decay=settings.weight_decay)


def _to_device(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple | list):
        return type(batch)(_to_device(value, device) for value in batch)
    return batch
