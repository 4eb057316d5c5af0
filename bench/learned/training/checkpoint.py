"""Checkpoints of a training: written atomically, read without unpickling, refused if foreign."""

from __future__ import annotations

import hashlib
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from bench.errors import UsageError
from bench.learned.training.lineage import Lineage
from bench.learned.training.settings import Recipe

# 1: first version
# 2: knows where its schedule began and whether it ended; those of earlier versions may be compact
# 3: the sha256 of all before it stands at its end
FORMAT = 3
_READ = (1, 2, 3)
_MARK = b"bench-checkpoint-sha256:"
_DAMAGE = (
    pickle.UnpicklingError, zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError,
    RuntimeError, TypeError, ValueError, LookupError, AttributeError, AssertionError, ImportError,
    OverflowError, MemoryError,
)  # fmt: skip
"""What PyTorch raises of files that are damaged."""
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "codec": str, "name": str, "settings": dict, "step": int, "seconds": (int, float),
    "model": dict, "optimiser": dict, "auxiliary": dict, "average": dict, "rows": (list, tuple),
    "window": dict, "window_steps": int, "start": str, "lineage": dict, "precision": str,
    "layout": str, "since_step": int, "since_seconds": (int, float), "annealed": bool,
    "format": int,
}  # fmt: skip
_NEXT_TO_NONE = 0.009


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The whole state of a training after ``step`` steps.

    ``rows`` are those of the loss curve so far, ``window`` the sums since the last row;
    ``lineage`` is that of the weights that it began from, of which earlier versions kept the name
    alone, ``start``. ``precision`` and ``layout`` are those of the last steps.
    The schedule of the learning rate began at ``since_step`` and ``since_seconds``; ``annealed``
    says that it came to its end.
    """

    codec: str
    name: str
    settings: Mapping[str, object]
    step: int = 0
    seconds: float = 0.0
    model: Mapping[str, Tensor] = field(default_factory=dict)
    optimiser: Mapping[str, object] = field(default_factory=dict)
    auxiliary: Mapping[str, object] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Sequence[Mapping[str, float]] = ()
    window: Mapping[str, float] = field(default_factory=dict)
    window_steps: int = 0
    start: str = ""
    lineage: Mapping[str, Any] = field(default_factory=dict)
    precision: str = ""
    layout: str = ""
    since_step: int = 0
    since_seconds: float = 0.0
    annealed: bool = False
    format: int = FORMAT

    @property
    def origin(self) -> Lineage:
        """What it began from."""
        if not self.lineage:
            return Lineage(self.start, known=not self.start)
        return Lineage(**{**self.lineage, "earlier": tuple(self.lineage["earlier"])})


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Replaces the file in one move: a kill at any moment leaves the old or the new one whole.
    Raises OSError, and leaves nothing new, where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.new")
    table = {key: getattr(checkpoint, key) for key in Checkpoint.__dataclass_fields__}
    try:
        with temporary.open("wb") as file:
            torch.save(table, file)
        with temporary.open("r+b") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.write(_MARK + digest.encode())
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        temporary.unlink(missing_ok=True)
        # PyTorch hides why a write failed behind an error of its own
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    temporary.replace(path)


def load_checkpoint(path: Path, recipe: Recipe) -> Checkpoint:
    """The checkpoint of this recipe. Raises UsageError for a broken or foreign one."""
    try:
        verified = _verified(path)
        table = torch.load(path, map_location="cpu", weights_only=True)
        if table.get("format") == 1:
            table["annealed"] = _was_annealed(table, recipe)
        compact, _ = table.pop("compact", False), table.pop("rounded", None)
        checkpoint = Checkpoint(**table)
        for name, kind in _KINDS.items():
            if not isinstance(getattr(checkpoint, name), kind):
                raise TypeError(f"{name} is {type(getattr(checkpoint, name)).__name__}")
        if not all(
            isinstance(value, Tensor)
            for value in (*checkpoint.model.values(), *checkpoint.average.values())
        ):
            raise TypeError("weights that are no tensors")
        if not verified and checkpoint.format == FORMAT:
            raise ValueError("its checksum is missing")
        _ = checkpoint.origin
    except _DAMAGE as error:
        raise UsageError(
            f"{path}: not a checkpoint of this project, or damaged ({one_line(error)}); delete it "
            "or --fresh"
        ) from error
    if checkpoint.format not in _READ:
        raise UsageError(
            f"{path}: checkpoint format {checkpoint.format}; this version reads "
            f"{', '.join(map(str, _READ))}; --fresh"
        )
    if compact:
        raise UsageError(
            f"{path}: a compact checkpoint of an earlier version, which this one does not read; "
            "train on from weights: --fresh --start WEIGHTS"
        )
    if (checkpoint.codec, checkpoint.name) != (recipe.codec, recipe.name):
        raise UsageError(
            f"{path}: a checkpoint of {checkpoint.codec}/{checkpoint.name}, not of "
            f"{recipe.codec}/{recipe.name}; give another --work folder or --fresh"
        )
    now = recipe.settings.comparable()
    changed = [
        f"{key} {checkpoint.settings.get(key)!r} → {now[key]!r}"
        for key in now
        if checkpoint.settings.get(key) != now[key]
    ]
    if changed:
        raise UsageError(
            f"{path}: the card's [training] table has changed since this checkpoint of "
            f"{recipe.codec}/{recipe.name} ({'; '.join(changed)}); restore it, or give --fresh"
        )
    return checkpoint


def _was_annealed(table: Mapping[str, object], recipe: Recipe) -> bool:
    """Whether the schedule of a checkpoint of format 1, which does not say so, had ended: its last
    learning rate was next to none."""
    groups = cast(Mapping[str, Sequence[Mapping[str, float]]], table["optimiser"])["param_groups"]
    rates = [group["lr"] / group["factor"] for group in groups]
    return max(rates) < _NEXT_TO_NONE * recipe.settings.learning_rate


def _verified(path: Path) -> bool:
    """Whether a checksum stands at the end of a file; False where none does. Raises ValueError for
    one that is not that of the file."""
    end = len(_MARK) + 2 * hashlib.sha256().digest_size
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END) - end
        file.seek(max(0, length))
        mark = file.read()
        if not mark.startswith(_MARK):
            return False
        file.seek(0)
        digest = hashlib.sha256()
        while length > 0 and (block := file.read(min(length, 2**20))):
            digest.update(block)
            length -= len(block)
    if mark != _MARK + digest.hexdigest().encode():
        raise ValueError("its checksum is wrong")
    return True


def one_line(error: Exception) -> str:
    """An error of PyTorch's, cut to a line."""
    return " ".join(f"{error or type(error).__name__}".split())[:200]
