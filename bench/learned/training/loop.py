"""The one training loop: steps, checkpoints, the loss curve, and weights at the end.

Owns optimisers, schedule, seeds, devices and files of a training; knows no network and no data.
A run that is killed and started again ends with the same weights as one that was not (on the CPU,
with a schedule by steps): each step draws its random numbers from (seed, step) alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Generic

import torch

from bench.errors import UsageError
from bench.learned.training.average import WeightAverage
from bench.learned.training.checkpoint import Checkpoint, load_checkpoint, one_line, save_checkpoint
from bench.learned.training.feed import feed, generators, to_device
from bench.learned.training.lineage import Lineage
from bench.learned.training.pace import AUTO, FULL, HALF, LAST, PLAIN, arrange, autocast, fastest
from bench.learned.training.progress import Progress, show_progress
from bench.learned.training.schedule import rate_factor
from bench.learned.training.settings import Recipe, TrainingSettings
from bench.learned.training.task import Batch, Losses, ParameterGroup, TrainingTask
from bench.processes.interrupts import StopSignals

CHECKPOINT = "checkpoint.pt"
_CURVE_ROWS = 400
_CURVE_SECONDS = 30.0
"""With a budget of time a row of the loss curve stands for at most so long."""


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """How a training runs, as far as the card does not say.

    ``budget`` is the wall time in minutes of all continuations together: the schedule then follows
    the clock and ends with it, whatever the card's steps. ``minutes`` and ``stop_after``, a step,
    end this process early, at a checkpoint. ``lineage`` is that of the weights that the task was
    given. ``workers`` processes make the batches.
    """

    work: Path
    device: torch.device
    budget: float | None = None
    minutes: float | None = None
    fresh: bool = False
    stop_after: int | None = None
    lineage: Lineage = field(default_factory=Lineage)
    checkpoint_seconds: float = 60.0
    workers: int = 0


@dataclass(frozen=True, slots=True)
class Trained:
    """Where a training stands: figures of the last validation and the rows of the loss curve.

    ``stopped_by`` is the signal that ended it.
    """

    steps: int
    seconds: float
    figures: Mapping[str, float]
    rows: tuple[Mapping[str, float], ...]
    finished: bool
    lineage: Lineage = field(default_factory=Lineage)
    precision: str = FULL
    layout: str = PLAIN
    stopped_by: str = ""


class Trainer(Generic[Batch]):
    """One training in one process: ``run`` drives it to its end or to where it is to stop."""

    def __init__(self, recipe: Recipe, task: TrainingTask[Batch], options: LoopOptions) -> None:
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
        buffers = task.averaged_buffers()
        self.average = WeightAverage(self.model, ema, buffers) if ema is not None else None
        self.step, self.seconds = 0, 0.0
        self.lineage = options.lineage
        self.precision, self.layout = self.settings.precision, self.settings.layout
        self.rows: list[Mapping[str, float]] = []
        self._since = (0, 0.0)
        self._window: dict[str, float | torch.Tensor] = {}
        self._window_steps = 0
        self._every = max(1, self.settings.steps // _CURVE_ROWS)

    @property
    def title(self) -> str:
        """Codec and network, for messages."""
        return f"{self.recipe.codec}/{self.recipe.name}"

    @property
    def checkpoint(self) -> Path:
        """The file of the checkpoint."""
        return self.options.work / CHECKPOINT

    def run(self) -> Trained:
        """Trains from the checkpoint in the work folder, or from the start."""
        self.restore()
        if self.fraction < 1:
            self.choose_pace()
        with StopSignals() as signals, show_progress(self.title, self.fraction) as progress:
            self._train(signals, progress)
        self._save()
        return self.result(validate=self.fraction >= 1, stopped_by=signals.received)

    def restore(self) -> None:
        """Goes to where the checkpoint in the work folder stands, if there is one."""
        if self.checkpoint.exists() and not self.options.fresh:
            self._restore(load_checkpoint(self.checkpoint, self.recipe))

    def result(self, *, validate: bool, stopped_by: str = "") -> Trained:
        """Where the training stands now, validated on held-out data if asked for."""
        return Trained(
            self.step,
            self.seconds,
            self._validate() if validate else {},
            tuple(self.rows),
            self.fraction >= 1,
            self.lineage,
            self.precision,
            self.layout,
            stopped_by,
        )

    @property
    def fraction(self) -> float:
        """How much of the schedule is done, by steps or, with a budget of time, by the clock."""
        step, seconds = self._since
        if self.options.budget is not None:
            done, whole = self.seconds - seconds, 60 * self.options.budget - seconds
        else:
            done, whole = self.step - step, self.settings.steps - step
        return min(done / whole, 1.0) if whole > 0 else 1.0

    def _train(self, signals: StopSignals, progress: Progress) -> None:
        options = self.options
        now = last_save = time.perf_counter()
        until = now + 60 * (options.minutes or math.inf)
        stop = options.stop_after or math.inf
        steps = range(self.step, 1 << 62)
        batches = feed(self.task, self.settings.seed, steps, options.device, options.workers)
        with closing(batches):
            while self.step < stop and self.fraction < 1 and now < until and not signals.received:
                self.train_step(next(batches))
                before, now = now, time.perf_counter()
                self.seconds += now - before
                progress.update(self.step, self.fraction, self.rows[-1] if self.rows else {})
                if now - last_save > options.checkpoint_seconds:
                    self._save()
                    last_save = time.perf_counter()
        if self.fraction >= 1 and self._window_steps:
            self._end_row({})

    def choose_pace(self) -> None:
        """Settles what the settings leave to this machine: the precision, and in it the layout."""
        if AUTO in (self.precision, self.layout):  # a checkpoint keeps what it was made with
            self._measure_pace(self.next_batch())
        arrange(self.kernels(), self.layout)

    def next_batch(self) -> Batch:
        """That of the current step, on the device."""
        _, rng = generators(self.settings.seed, self.step)
        return to_device(self.task.batch(self.step, rng), self.options.device)

    def _measure_pace(self, batch: Batch) -> None:
        def in_precision(precision: str) -> Losses:
            return self._gradients(batch, precision)

        def in_layout(layout: str) -> Losses:
            arrange(self.kernels(), layout)
            return self._gradients(batch, self.precision)

        measured = (self.model, self.options.device)
        if self.precision == AUTO:
            self.precision = fastest(*measured, (FULL, HALF), in_precision, self.title)
        if self.layout == AUTO:
            self.layout = fastest(*measured, (PLAIN, LAST), in_layout, self.title)

    def kernels(self) -> Iterator[torch.Tensor]:
        """All tensors of the shapes of weights; those of one weight are best laid out alike."""
        yield from self.model.parameters()
        if self.average is not None:
            yield from self.average.values.values()
        for state in self.optimiser.state.values():
            yield from (each for each in state.values() if isinstance(each, torch.Tensor))

    def export(self) -> dict[str, torch.Tensor]:
        """The task's weights, averaged if the card says so."""
        self.model.eval()
        with self._averaged():
            return {key: each.detach().clone() for key, each in self.task.export().items()}

    def _gradients(self, batch: Batch, precision: str) -> Losses:
        """The losses of the current step, their gradients in the parameters."""
        torch.manual_seed(generators(self.settings.seed, self.step)[0])
        self.model.train()
        with autocast(precision, self.options.device):
            losses = self.task.loss(batch, self.step)
        self.optimiser.zero_grad(set_to_none=True)
        torch.autograd.backward(losses.total)
        return losses

    def train_step(self, batch: Batch) -> None:
        """One step of the optimiser, with the average and the loss curve."""
        settings = self.settings
        losses = self._gradients(batch, self.precision)
        trained = bool(self.lineage.start) or self._since[0] > 0
        factor = rate_factor(settings, self.fraction, trained=trained)
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
            self._window[key] = self._window.get(key, 0.0) + value.detach().double()
        self._window_steps += 1
        every = self.settings.validate_every
        validate = bool(every) and self.step % every == 0 and self.step < self.settings.steps
        if validate or self._row_is_due():
            figures = self._validate() if validate else {}
            self._end_row({f"validation_{key}": value for key, value in figures.items()})

    def _end_row(self, figures: Mapping[str, float]) -> None:
        """A row of the loss curve: the mean losses since the one before."""
        row: dict[str, float] = {"step": self.step, "seconds": round(self.seconds, 3)}
        row |= {key: float(value) / self._window_steps for key, value in self._window.items()}
        self._check_finite()
        self.rows.append({**row, **figures})
        self._window, self._window_steps = {}, 0

    def _row_is_due(self) -> bool:
        if self.step % self._every == 0 or self.step == self.settings.steps:
            return True
        last = self.rows[-1]["seconds"] if self.rows else 0.0
        return self.options.budget is not None and self.seconds - last >= _CURVE_SECONDS

    def _check_finite(self) -> None:
        total = float(self._window.get("loss", 0.0))
        if not math.isfinite(total):
            raise UsageError(
                f"{self.title}: the loss became {total} by step {self.step}; lower learning_rate "
                "or set clip in the card's [training]"
            )

    def _validate(self) -> dict[str, float]:
        self.model.eval()
        with self._averaged(), torch.no_grad():
            return {key: float(value) for key, value in self.task.validate().items()}

    def _averaged(self) -> AbstractContextManager[None]:
        return self.average.applied() if self.average is not None else nullcontext()

    def _save(self) -> None:
        self._check_finite()
        step, seconds = self._since
        checkpoint = Checkpoint(
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
            lineage=asdict(self.lineage),
            since_step=step,
            since_seconds=seconds,
            annealed=self.fraction >= 1,
            precision=self.precision,
            layout=self.layout,
        )
        save_checkpoint(self.checkpoint, checkpoint)

    def _restore(self, checkpoint: Checkpoint) -> None:
        try:
            self.model.load_state_dict(checkpoint.model)
            self.optimiser.load_state_dict(dict(checkpoint.optimiser))
            if self.auxiliary is not None:
                self.auxiliary.load_state_dict(dict(checkpoint.auxiliary))
            if self.average is not None:
                self.average.load(checkpoint.average)
        except (
            RuntimeError, ValueError, LookupError, TypeError, AttributeError, AssertionError
        ) as error:  # fmt: skip
            raise UsageError(
                f"{self.checkpoint}: of another architecture ({one_line(error)}); --fresh"
            ) from error
        self.step, self.seconds = checkpoint.step, checkpoint.seconds
        self.rows = list(checkpoint.rows)
        self._window = dict(checkpoint.window)
        self._window_steps = checkpoint.window_steps
        self.lineage = checkpoint.origin
        if self.precision == AUTO and checkpoint.precision:
            self.precision = checkpoint.precision
        if self.layout == AUTO and checkpoint.layout:
            self.layout = checkpoint.layout
        self._since = (checkpoint.since_step, checkpoint.since_seconds)
        if checkpoint.annealed and self.fraction < 1:
            # what ended is given more time: a schedule of its own, with a new warm-up
            self._since = (self.step, self.seconds)


def _optimiser(
    settings: TrainingSettings, groups: list[ParameterGroup]
) -> torch.optim.Adam | torch.optim.AdamW:
    rate = settings.learning_rate
    ready: list[dict[str, object]] = [
        {"params": list(each.parameters), "factor": each.factor, "lr": rate * each.factor}
        for each in groups
    ]
    kind = torch.optim.AdamW if settings.optimiser == "adamw" else torch.optim.Adam
    return kind(ready, lr=rate, weight_decay=settings.weight_decay)
