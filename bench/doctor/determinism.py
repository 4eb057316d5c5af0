"""Streams of one process decoded by others: which arithmetic gives which pixels, and where the
first symbol differs. Decodes nothing in this process."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import bench
from bench.cards import Registry
from bench.codecs.build import select
from bench.engine.agreement import agreement
from bench.engine.elsewhere import frames_of
from bench.errors import CodecError, UsageError
from bench.machine import INSTRUCTION_SETS, describe_machine
from bench.signals import REAL, RGB

_WORKER = "bench.doctor.decoding_process"
_SECONDS = 1800.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where streams are decoded: what differs from the process that coded them."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1
    device: str = "cpu"
    python: str = sys.executable
    bfloat16: bool = False
    """Float32 products may be computed in bfloat16, as torch and oneDNN offer it."""


@dataclass(frozen=True, slots=True)
class Cell:
    """What a place makes of a codec's stream; ``symbol`` says which differs first."""

    kind: str
    detail: str = ""
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A codec; ``cells`` are in the order of the places, none where ``skipped`` says why."""

    codec: str
    coded: str = ""
    cells: tuple[Cell, ...] = ()
    price: str = ""
    skipped: str = ""


@dataclass(frozen=True, slots=True)
class Determinism:
    """All of it, with what each place computed with."""

    places: tuple[Place, ...]
    facts: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def garbage(self) -> int:
        return sum(cell.kind == "garbage" for row in self.rows for cell in row.cells)


def places(pythons: Sequence[Path] = (), *, cuda: bool) -> tuple[Place, ...]:
    """The circumstances that this machine offers."""
    several = max(2, os.cpu_count() or 1)
    found = [Place("again"), Place(f"{several} threads", threads=several)]
    found += [Place(name, variables) for name, variables in INSTRUCTION_SETS.items()]
    found += [
        Place("MKL compatible", {"MKL_CBWR": "COMPATIBLE"}),
        Place("bfloat16", {"ONEDNN_DEFAULT_FPMATH_MODE": "BF16"}, bfloat16=True),
    ]
    found += [Place("CUDA", device="cuda")] if cuda else []
    return (*found, *(Place(f"{path}", python=str(path)) for path in pythons))


def examine_determinism(
    registry: Registry, codecs: Sequence[str], cards: Sequence[Path], where: Sequence[Place],
    *, random: bool,
) -> Determinism:  # fmt: skip
    """Codes a photograph, a clip or vectors with each codec at the middle of its ladder in one
    process and decodes the streams in all ``where``. ``random`` gives CompressAI's architectures
    random weights."""
    with tempfile.TemporaryDirectory(prefix="bench-determinism-") as name:
        folder = Path(name)
        specs = [_with_weights(registry, one, folder) if random else one for one in codecs]
        home = folder / "here"
        facts = [_run(Place("coded"), home, specs, cards, encode=True)]
        cells: list[list[Cell]] = []
        for number, place in enumerate(where):
            away = folder / str(number)
            away.mkdir()
            for stream in home.glob("*.bin"):
                shutil.copyfile(stream, away / stream.name)
            facts.append(_run(place, away, specs, cards, encode=False))
            cells.append([_compare(home, away, index) for index in range(len(specs))])
        rows = tuple(
            _row(name, home, index, tuple(row), trained=specs[index] == name)
            for index, (name, row) in enumerate(zip(codecs, zip(*cells, strict=True), strict=True))
        )
        return Determinism(tuple(where), tuple(facts), rows)


def _with_weights(registry: Registry, spec: str, folder: Path) -> str:
    """The codec with random weights, if it is one of CompressAI's for pictures and has no other."""
    card = select(registry, spec)
    model = str(card.settings.get("model", ""))
    own = card.settings.get("weights") != registry.codec(card.path.stem).settings.get("weights")
    if own or not model.startswith("compressai.models:"):
        return spec
    from bench.codecs.support.random_weights import save_random

    path, name = folder / model.partition(":")[2], card.rate_key
    if not path.with_suffix(".4").exists():
        save_random(model, path.with_suffix(".4"))
    return f"{spec}{',' if ':' in spec else ':'}weights={path}.{{{name}}},{name}=4"


def _run(
    place: Place, folder: Path, specs: Sequence[str], cards: Sequence[Path], *, encode: bool
) -> str:
    """Starts the process of a place; returns what it computes with."""
    folder.mkdir(exist_ok=True)
    job = {
        "codecs": list(specs), "cards": [str(path.resolve()) for path in cards],
        "device": place.device, "threads": place.threads, "encode": encode,
        "bfloat16": place.bfloat16,
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    home = str(Path(bench.__file__).parents[1])
    environment = {
        **os.environ, "OMP_NUM_THREADS": str(place.threads), **place.variables,
        "PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH")))),
    }  # fmt: skip
    try:
        done = subprocess.run(
            [place.python, "-m", _WORKER, str(folder)], env=environment, capture_output=True,
            text=True, timeout=_SECONDS, check=False,
        )  # fmt: skip
    except OSError as error:
        raise UsageError(
            f"--python {place.python}: {error.strerror}; give an interpreter"
        ) from None
    if not (folder / "facts.json").is_file():
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CodecError(f"{place.name}: its process ended with status {done.returncode}: {last}")
    facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return f"torch {facts['torch']}, {facts['computes']}"


def _compare(home: Path, away: Path, index: int) -> Cell:
    if not (home / f"{index}.bin").is_file():
        return Cell("–")
    symbol = _first_difference(home / f"{index}.symbols.npy", away / f"{index}.symbols.npy")
    error = away / f"{index}.error"
    if error.is_file():
        said = json.loads(error.read_text(encoding="utf-8"))
        kind = "not here" if said["skipped"] else "refused"
        return Cell(kind, said["error"], "" if said["skipped"] else symbol)
    if not (away / f"{index}.frames").is_file():
        return Cell("refused", "its process ended before it was decoded", symbol)
    one, other = home / f"{index}.frames", away / f"{index}.frames"
    real = next(frames_of(one)).dtype == np.float64
    met = agreement(REAL if real else RGB, frames_of(one), frames_of(other))
    detail = "" if met.kind == "exact" else (
        f"{met.changed} of {met.samples} samples, by up to {met.largest:g}"
    )  # fmt: skip
    return Cell(str(met) if met.kind == "drift" else met.kind, detail, symbol)


def _first_difference(one: Path, other: Path) -> str:
    """Which decoded symbol is the first that differs; empty where none does or none was noted."""
    if not (one.is_file() and other.is_file()):
        return ""
    here, there = (np.load(path, allow_pickle=False) for path in (one, other))
    shared = min(len(here), len(there))
    differing = np.flatnonzero(here[:shared] != there[:shared])
    if len(differing):
        place = int(differing[0])
        return f"symbol {place:,} of {len(here):,} is {there[place]}, not {here[place]}"
    if len(there) < len(here):
        return f"none before it ended, after {len(there):,} of {len(here):,} symbols"
    return ""


def _row(codec: str, home: Path, index: int, cells: tuple[Cell, ...], *, trained: bool) -> Row:
    error, told = home / f"{index}.error", home / f"{index}.json"
    if error.is_file() or not told.is_file():
        said = json.loads(error.read_text(encoding="utf-8"))["error"] if error.is_file() else (
            "its process ended"
        )  # fmt: skip
        return Row(codec, skipped=said)
    facts: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    coded = f"{facts['media']} {facts['size']}, {facts['point']}, {facts['bits'] // 8} bytes"
    safe = trained and not any(cell.symbol for cell in cells)
    return Row(codec, coded, cells, _price(facts) if safe else "")


def _price(facts: Mapping[str, Any]) -> str:
    """Of a codec whose symbols are the same everywhere: the bits that its stream has beyond the
    likelihood in floating point, which a coder of exact tables cannot reach."""
    likelihood, header = facts["likelihood"], facts["header"] or 0
    if not likelihood or not math.isfinite(likelihood):
        return ""
    more = facts["bits"] - 8 * header - likelihood
    return f"{more:+.0f} bits, {100 * more / likelihood:+.2f} %".replace("-", "−")


def lines(found: Determinism) -> Iterator[str]:
    """The page, as Markdown."""
    machine = ", ".join(f"{key} {value}" for key, value in describe_machine().items())
    yield "# Which streams decode elsewhere"
    yield ""
    yield (
        "Each codec codes one signal in one process, with one thread and the processor's own "
        "instructions; other processes decode the stream. *exact*: the same samples; *one level*: "
        "no sample differs by more; *drift*: PSNR between the two decodings; *garbage*: another "
        "picture, without an error; *refused*: an error. Symbols are those that entropy decoders "
        "gave. The price is what the stream has beyond the likelihood in floating point, of codecs "
        "whose symbols are the same everywhere: what exact probabilities cost, the coder's end "
        "included. It is below zero where many symbols are rarer than 2⁻¹⁶, the least that a table "
        "of 16 bits gives any: such a symbol costs 16 bits, whatever its likelihood, as in a clip "
        "of a photograph coded by a network of moving digits."
    )
    yield ""
    yield f"Machine: {machine}. Coded with {found.facts[0]}."
    yield ""
    heads = ["Codec", "Coded", *(place.name for place in found.places), "Price"]
    yield f"| {' | '.join(heads)} |"
    yield f"|{' --- |' * len(heads)}"
    for row in found.rows:
        if not row.skipped:
            kinds = [cell.kind for cell in row.cells]
            yield f"| {' | '.join([f'`{row.codec}`', row.coded, *kinds, row.price or '–'])} |"
    yield ""
    for place, facts in zip(found.places, found.facts[1:], strict=True):
        set_to = " ".join(f"`{key}={value}`" for key, value in place.variables.items())
        yield f"- {place.name}: {facts}{', ' + set_to if set_to else ''}"
    yield ""
    for row in found.rows:
        if row.skipped:
            yield f"- `{row.codec}`: not examined: {row.skipped}"
        for place, cell in zip(found.places, row.cells, strict=False):
            said = "; ".join(filter(None, (cell.detail, cell.symbol)))
            if said:
                yield f"- `{row.codec}`, {place.name}: {cell.kind}: {said}"
