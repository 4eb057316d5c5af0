"""The file of a vault: streams, records, run.json and cards in one zip, with a hash of each.

Reads and writes the file and says what in it is damaged; decodes nothing.
"""

from __future__ import annotations

import atexit
import csv
import hashlib
import io
import json
import re
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from bench.errors import StoreError, as_cell
from bench.records import Record
from bench.results.run_info import RunInfo, read_run
from bench.results.table import read_records

# 1: first version
FORMAT = 1
_INDEX, _RUN, _RECORDS, _SAMPLES = "vault.json", "run.json", "records.csv", "samples.csv"
_TABLES = (_RUN, _RECORDS, _SAMPLES)
_SAMPLE_COLUMNS = ("codec", "point", "item", "samples_sha256")
_CARD = re.compile(r"cards/[^/\\]+")
_THEN = (1980, 1, 1, 0, 0, 0)
"""The date of every entry: the same content is the same file, whenever it is packed."""
Key = tuple[str, str, str]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def key_of(record: Record) -> Key:
    return (record.codec, record.point, record.item)


@dataclass(frozen=True, slots=True)
class Vault:
    """An open vault: its records, the hash of the samples that each stream decodes to, and the
    hashes of its files by name. ``by`` is who measured."""

    path: Path
    by: str
    run: RunInfo
    records: tuple[Record, ...]
    samples: Mapping[Key, str]
    hashes: Mapping[str, str]

    def stream(self, record: Record) -> bytes | None:
        """The stream of a record; None where it is missing or damaged."""
        with suppress(KeyError, zipfile.BadZipFile, OSError), zipfile.ZipFile(self.path) as file:
            content = file.read(_stream_name(record))
            return content if sha256(content) == record.bitstream_sha256 else None
        return None

    def damage(self) -> Iterator[str]:
        """What is not as it was packed, a sentence each."""
        owners: dict[str, list[str]] = {}
        for record in self.records:
            owners.setdefault(_stream_name(record), []).append(" ".join(key_of(record)))
        with zipfile.ZipFile(self.path) as file:
            names = file.namelist()
            for name in sorted({*self.hashes, *owners}):
                whose = f" ({', '.join(owners[name])})" if name in owners else ""
                if name not in names:
                    yield f"{name}: missing{whose}"
                elif name not in owners and name not in _TABLES and not _CARD.fullmatch(name):
                    yield f"{name}: no part of this vault: no record has it"
                elif _read(file, name) != self.hashes.get(name):
                    yield f"{name}: damaged, its bytes are not those that were packed{whose}"
            for name in sorted(set(names) - {*self.hashes, *owners, _INDEX}):
                yield f"{name}: no part of this vault"


def _stream_name(record: Record) -> str:
    return f"streams/{record.bitstream_sha256}.bin"


def _read(file: zipfile.ZipFile, name: str) -> str:
    """The hash of an entry; empty where the zip itself finds it damaged."""
    try:
        return sha256(file.read(name))
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        return ""


def write_vault(
    path: Path,
    run: RunInfo,
    rows: Sequence[Sequence[str]],
    streams: Iterable[bytes],
    samples: Mapping[Key, str],
    cards: Mapping[str, bytes],
    by: str,
) -> None:
    """``rows`` are those of records.csv, its header first; ``cards`` the codecs' by name. The same
    content gives the same bytes: nothing is compressed, no date is kept."""
    hashed = [_SAMPLE_COLUMNS, *((*key, digest) for key, digest in sorted(samples.items()))]
    files = {
        _RUN: run.to_json().encode(),
        _RECORDS: _table(rows),
        _SAMPLES: _table(hashed),
        **{f"cards/{name}": card for name, card in cards.items()},
        **{f"streams/{sha256(stream)}.bin": stream for stream in streams},
    }
    index = {
        "format": FORMAT,
        "by": as_cell(by),
        "files": {name: sha256(files[name]) for name in sorted(files)},
    }
    files = {_INDEX: json.dumps(index, indent=1, ensure_ascii=False).encode(), **files}
    temporary = path.with_name(path.name + ".new")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as file:
        for name in (_INDEX, *sorted(files.keys() - {_INDEX})):
            file.writestr(zipfile.ZipInfo(name, _THEN), files[name])
    temporary.replace(path)


def _table(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def read_vault(path: Path, *, changed: bool = False) -> Vault:
    """Raises StoreError for a file that is no vault, of a newer format or, unless it is read to
    say what was ``changed``, whose tables are not those that were packed."""
    try:
        with zipfile.ZipFile(path) as file, tempfile.TemporaryDirectory(prefix="bench-") as name:
            _refuse_odd(path, file.infolist())
            index = json.loads(file.read(_INDEX))
            if index["format"] not in range(1, FORMAT + 1):
                raise StoreError(
                    f"{path}: vault format {index['format']} is none that this bench reads "
                    f"(up to {FORMAT}); upgrade bench"
                )
            for table in _TABLES:
                content = file.read(table)
                if sha256(content) != index["files"][table] and not changed:
                    raise StoreError(
                        f"{path}: {table} was changed after packing; get the vault again"
                    )
                Path(name, table).write_bytes(content)
            try:
                records = tuple(record for _, record in read_records(Path(name, _RECORDS)))
                run = read_run(Path(name))
            except StoreError as error:  # names the vault, not where its tables were laid
                raise StoreError(str(error).replace(f"{name}/", f"{path}: ")) from error
            with Path(name, _SAMPLES).open(newline="", encoding="utf-8") as table_file:
                rows = list(csv.DictReader(table_file))
            samples = {(r["codec"], r["point"], r["item"]): r["samples_sha256"] for r in rows}
            by = as_cell(str(index["by"]))
            return Vault(path, by, run, records, samples, dict(index["files"]))
    except FileNotFoundError as error:
        raise StoreError(f"{path}: no such file; give a vault") from error
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile, OSError) as error:
        raise StoreError(
            f"{path}: no vault that can be read ({type(error).__name__}: {error}); "
            "`bench vault pack` makes one"
        ) from error


@cache
def as_folder(path: Path) -> Path:
    """A results folder as it is; of a vault a folder of its tables, gone when this process ends."""
    if not path.is_file() or path.suffix.lower() != ".zip":
        return path
    vault, home = read_vault(path), tempfile.TemporaryDirectory(prefix="bench-vault-")
    atexit.register(home.cleanup)
    folder = Path(home.name, path.stem)
    folder.mkdir()
    with zipfile.ZipFile(path) as file:
        (folder / _RECORDS).write_bytes(file.read(_RECORDS))
    said = f"{vault.run.timing} Measured by {vault.by}; the streams are in {path.name}."
    replace(vault.run, timing=said.strip()).write(folder)
    return folder


def _refuse_odd(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Raises StoreError for files that a vault never has: twice of one name, or compressed, which
    could be of any size."""
    twice = [name for name, count in Counter(one.filename for one in entries).items() if count > 1]
    small = [one.filename for one in entries if one.compress_type != zipfile.ZIP_STORED]
    large = sum(one.file_size for one in entries) > path.stat().st_size
    if twice or small or large:
        what = f"{twice[0]} is there twice" if twice else (
            f"{small[0]} is compressed" if small else "its files overlap"
        )  # fmt: skip
        raise StoreError(f"{path}: {what}, as no vault has it; get the vault again")
