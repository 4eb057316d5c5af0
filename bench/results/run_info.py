"""What run.json holds: everything besides the records that a reader needs to trust or repeat a run.

Only reads and writes this one file; describe.py collects it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.cards import Settings
from bench.cards.files import read_json
from bench.errors import DataError, StoreError, UsageError
from bench.records import TARGET, CodecName

# 1: first version; 2: metric_facts, metric_versions; 3: isolation of verdicts; 4: items of codecs
# 5: code of codecs; 6: command and label of codecs
FORMAT = 6
_KEYS = {"metric_info": "metric_facts"}


def shortened(version: str) -> str:
    """A hash cut to what a reader compares by eye; any other version as it is."""
    is_hash = len(version) >= 32 and all(c in "0123456789abcdef" for c in version)
    return version[:12] if is_hash else version


CODE = "code"
"""What stands among a codec's versions for files of code that are part of no release."""
MetricTable = Mapping[str, Any]
"""A metric's info as JSON has it; bench.metrics.info writes and reads it."""


@dataclass(frozen=True, slots=True)
class CodecInfo:
    """One codec of a run as it was measured."""

    id: str
    title: str
    settings: Settings
    ladder: tuple[str, ...]
    """The points in the order of the ladder, as ``key=value``."""
    deterministic: bool
    lossless: bool
    versions: Mapping[str, str]
    source: Settings = field(default_factory=dict)
    complexity: Mapping[str, float] = field(default_factory=dict)
    """Of learned codecs: ``parameters``, ``encoder_kmac_per_pixel``, ``decoder_kmac_per_pixel``,
    ``peak_bytes``."""
    device: str = ""
    """The kind of device that its bits or pixels depend on, such as ``cuda NVIDIA H100``; empty
    where they depend on none, and in runs of versions that did not say."""
    items: int | None = None
    """How many of the run's items it was to be measured on, the first ones; None: all."""
    code: Mapping[str, str] = field(default_factory=dict)
    """By path the sha256 of every file of its code that is part of no installed release."""
    command: str = ""
    """Of a program the words that code the first item at the first point, without folders."""
    label: str = ""
    """What readers call it; empty in runs of versions that did not say."""

    @property
    def ladder_key(self) -> str | None:
        """The parameter of its points; None where rates were searched, of whatever parameter."""
        keys = [point.partition("=")[0] for point in self.ladder]
        return next((key for key in keys if key != TARGET), None)

    @property
    def spec(self) -> str:
        """What selects it on the command line: an id that names a ladder gets its points."""
        name = CodecName.parse(self.id)
        values = "+".join(point.partition("=")[2] for point in self.ladder)
        words = (f"{w}={values}" if w == self.ladder_key else w for w in name.settings)
        return str(CodecName(name.card, tuple(words)))

    def refuse_other_ladder(self, where: str, earlier: CodecInfo) -> None:
        """Raises UsageError where points of another parameter would join one curve with these."""
        one, other = earlier.ladder_key, self.ladder_key
        if one and other and one != other:
            raise UsageError(
                f"{where}: codec {self.id} has points of {one} and of {other}, which are no one "
                "curve; keep them in folders of their own, or give the card another name"
            )


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a check that was made once for a codec or one of its points."""

    check: str
    """``fresh_decode``: the payload, decoded again in a fresh process, gives the same pixels.
    ``decoded_apart``: of a codec that is not ours, every payload was decoded in a process that
    never received a sample of an original."""
    codec: str
    point: str
    item: str
    passed: bool
    detail: str = ""
    isolation: str = ""
    """How far that process was kept from the original and from all that the encoder wrote:
    ``isolated``, ``not isolated: …``; empty in runs of versions that did not say."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The content of run.json."""

    bench: str
    suite: str
    suite_title: str
    dataset: str
    dataset_title: str
    media: str
    dataset_notes: tuple[str, ...]
    dataset_digest: str
    items: int
    metrics: tuple[str, ...]
    anchor: str | None
    codecs: tuple[CodecInfo, ...]
    command: tuple[str, ...]
    machine: Mapping[str, str]
    libraries: Mapping[str, str]
    jobs: int
    timing: str
    """One sentence: how times were taken and whether they may be ranked."""
    started: str
    finished: str
    verdicts: tuple[Verdict, ...] = ()
    licence: str = ""
    citation: str = ""
    notes: tuple[str, ...] = ()
    metric_info: tuple[MetricTable, ...] = ()
    """Of metrics that the project did not bring: a report needs no plug-in to show them."""
    item_digests: Mapping[str, str] = field(default_factory=dict)
    """What each item holds, in 16 digits of its hash, in the order of the run: runs over other
    items are compared by it."""
    metric_versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By metric: versions of packages, hashes of weights and of plug-ins behind its values."""
    format: int = FORMAT

    def first_items(self, count: int) -> tuple[str, ...]:
        """The names of the first items; none in runs of versions that did not keep them."""
        return tuple(self.item_digests)[:count]

    def items_of(self, info: CodecInfo | None) -> int:
        """How many items a codec was to be measured on."""
        limit = info.items if info is not None else None
        return self.items if limit is None else min(limit, self.items)

    def with_metrics(self, found: MeasuredWith) -> RunInfo:
        """As it was, with the metrics that its records have now."""
        return replace(
            self, metrics=found.names, metric_info=found.info, metric_versions=found.versions
        )

    def refuse_other_items(self, digests: Mapping[str, str]) -> None:
        """Raises DataError where an item of the run is not there, or another one of its name."""
        for name, digest in self.item_digests.items():
            if not digests.get(name, "").startswith(digest) or name not in digests:
                what = "differs from the one" if name in digests else "is not there: one"
                raise DataError(
                    f"{self.dataset}: the item {name} {what} that was measured; "
                    "give the folder of the same files with --data or --input"
                )

    def to_json(self) -> str:
        plain = asdict(replace(self, item_digests={}))  # asdict copies one by one
        plain["item_digests"] = dict(self.item_digests)
        table = {_KEYS.get(name, name): value for name, value in plain.items()}
        return json.dumps(table, indent=1, ensure_ascii=False, sort_keys=False) + "\n"

    def write(self, folder: Path) -> None:
        temporary = folder / "run.json.new"
        temporary.write_text(self.to_json(), encoding="utf-8")
        temporary.replace(folder / "run.json")


def read_run(folder: Path) -> RunInfo:
    """The run.json of a folder. Raises StoreError if missing, broken or of a newer format."""
    path = folder / "run.json"
    try:
        table = read_json(path)
    except FileNotFoundError as error:
        raise StoreError(f"{folder}: no run.json; is this the folder of a finished run?") from error
    except NotADirectoryError as error:
        raise StoreError(
            f"{folder}: is a file; give the folder of a run (`run --vault` makes one of a vault)"
        ) from error
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from error
    if not isinstance(table, dict) or not isinstance(table.get("format"), int):
        raise StoreError(f"{path}: not written by bench run")
    if table["format"] > FORMAT:
        raise StoreError(
            f"{path}: format {table['format']} is newer than this bench reads ({FORMAT}); "
            "upgrade bench"
        )
    for key, fits in _SHAPES.items():
        if not fits(table.get(key)):
            raise StoreError(f"{path}: {key} is {str(table.get(key))[:60]}; the file is damaged")
    try:
        codecs = tuple(_codec_info(entry) for entry in table.pop("codecs"))
        verdicts = tuple(Verdict(**entry) for entry in table.pop("verdicts"))
        metrics = tuple(table.pop(_KEYS["metric_info"], ()))
        lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
        table |= lists | {"format": FORMAT}
        return RunInfo(codecs=codecs, verdicts=verdicts, metric_info=metrics, **table)
    except (KeyError, TypeError) as error:
        raise StoreError(f"{path}: not a run of format {FORMAT}: {error}") from error


def _are_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


_SHAPES: Mapping[str, Callable[[object], bool]] = {
    "codecs": lambda value: isinstance(value, list) and bool(value),
    "items": lambda value: isinstance(value, int) and value > 0,
    "metrics": _are_words,
    "command": _are_words,
    "verdicts": lambda value: isinstance(value, list),
    "metric_facts": lambda value: (
        value is None
        or (isinstance(value, list) and all(isinstance(one, dict) and "id" in one for one in value))
    ),
    "jobs": lambda value: isinstance(value, int),
    **dict.fromkeys(
        ("machine", "libraries", "item_digests", "metric_versions"),
        lambda value: value is None or isinstance(value, dict),
    ),
}
"""What parts of the file must be, where a wrong one would come to light late or as a wrong word."""


def _codec_info(entry: dict[str, Any]) -> CodecInfo:
    count = entry.get("items")
    if not (count is None or (isinstance(count, int) and count > 0)):
        raise TypeError(f"items of codec {entry.get('id')} is {count!r}")
    return CodecInfo(**{**entry, "ladder": tuple(entry["ladder"])})


@dataclass(frozen=True, slots=True)
class MeasuredWith:
    """The metrics of a folder: their ids, the info of those that the project did not bring, and
    versions of what is behind their values."""

    names: tuple[str, ...] = ()
    info: tuple[MetricTable, ...] = ()
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def held_run(folder: Path) -> RunInfo | None:
    """A folder's run.json; None where there is none that can be read."""
    try:
        return read_run(folder)
    except StoreError:
        return None


def held_metrics(run: RunInfo | None) -> MeasuredWith:
    """What a run's run.json says of its metrics; nothing where there is none."""
    if run is None:
        return MeasuredWith()
    return MeasuredWith(run.metrics, run.metric_info, run.metric_versions)
