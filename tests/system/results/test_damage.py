"""The same damage gets the same answer from bd, report and check: exit 2, file, line and column."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cli import main
from bench.results.store import FILE, Store
from tests.unit.report import samples

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sound")
    good = samples.curve_records("good", 1.0)
    samples.results_folder(folder, [*good, *samples.curve_records("dear", 1.5)])
    return folder


def _set(column: str, value: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        rows[2][column] = value

    return change


def answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[int, str]]:
    found = []
    for words in (
        ["bd", str(folder)],
        ["report", str(folder)],
        ["check", str(folder), "--against", str(folder)],
    ):
        capsys.readouterr()
        found.append((main(words), capsys.readouterr().err))
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("bpp", "-0.5"), "line 4: bpp is -0.5"),
        (_set("bpp", "0"), "line 4: bpp is 0, but"),
        (_set("bpp", "abc"), "line 4: bpp is 'abc', not a number"),
        (_set("bytes", "123"), "but 123 bytes are"),
        (_set("bytes", "9" * 400), "line 4: bytes is too large"),
        (_set("psnr_rgb", "9" * 400), "psnr_rgb is infinite, but mse is"),
        (_set("ssim", "nan"), "ssim is nan"),
        (_set("ssim", "\0"), "line 4: ssim is '\\x00', not a number"),
        (_set("ssim", "0.\0"), "line 4: ssim is '0.\\x00', not a number"),
        (_set("psnr_rgb", "٣"), "line 4: psnr_rgb is '٣', not a number"),
        (_set("psnr_rgb", "3_0"), "line 4: psnr_rgb is '3_0', not a number"),
        (_set("header_bytes", "5.5"), "line 4: header_bytes is '5.5', not a number"),
        (_set("mse", "-inf"), "mse is -inf"),
        (_set("status", "finished"), "status is 'finished'"),
    ],
)
def test_values_that_no_run_writes(
    change: Callable[[Rows], None], said: str, sound: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    folder = shutil.copytree(sound, tmp_path / "damaged")
    with (folder / "records.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with (folder / "records.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for status, error in answers(folder, capsys):
        assert status == 2 and said in error and "records.csv" in error, error
        assert error.count("\n") == 1


def test_a_row_cut_short_is_named(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(sound, tmp_path / "damaged")
    text = (folder / "records.csv").read_text()
    (folder / "records.csv").write_text(text[: text.rindex(",q=")])
    for status, error in answers(folder, capsys):
        assert status == 2 and "is cut short" in error, error


def test_a_byte_order_mark_is_read(
    sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(sound, tmp_path / "marked")
    text = (folder / "records.csv").read_text()
    (folder / "records.csv").write_text(text, encoding="utf-8-sig")
    assert [status for status, _ in answers(folder, capsys)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("key", "value"),
    [("codecs", []), ("items", "many"), ("metrics", None), ("metrics", ["nope", 3])],
)
def test_a_run_json_that_no_run_writes(
    key: str, value: object, sound: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(sound, tmp_path / "damaged")
    table = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(table | {key: value}))
    for status, error in answers(folder, capsys):
        assert status == 2 and f"run.json: {key} is" in error, error


def test_an_old_log_is_not_taken_for_that_of_a_fresh_store(tmp_path: Path) -> None:
    """A killed run leaves records in the write-ahead log alone."""
    killed = "import os; from tests.unit.results.test_store import record; " \
        "from bench.results.store import Store; from pathlib import Path; " \
        f"Store(Path({str(tmp_path)!r})).add([record()]); os._exit(9)"  # fmt: skip
    subprocess.run([sys.executable, "-c", killed], check=False, cwd=Path(__file__).parents[3])
    assert (tmp_path / f"{FILE}-wal").stat().st_size
    with Store(tmp_path, fresh=True) as store:
        assert store.done() == {}
