"""Vaults: the same content is the same file, and whatever is changed in one is named."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from bench.cards import load_registry
from bench.codecs.build import build_codec
from bench.errors import Unavailable
from bench.vault.decoding import check_decoder
from tests.command import bench

CODECS = "jpeg:quality=10+50,x264:crf=30+40"
Files = dict[str, bytes]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vault")
    done = bench(
        "run", "--suite", "starter", "--limit", 2, "--codecs", CODECS, "--keep", "all",
        "--no-report", "--metrics", "psnr_rgb,psnr_y", "--jobs", 1, "--out", folder / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    words = ("vault", "pack", folder / "run", "--by", "A. Author", "--out")
    for name in ("one.zip", "two.zip"):
        done = bench(*words, folder / name)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "one.zip"


def read(path: Path) -> Files:
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def changed(packed: Path, path: Path, change: Callable[[Files], None], *, hashed: bool) -> Path:
    """A vault with a change; ``hashed``: by somebody who makes all hashes anew."""
    files = read(packed)
    change(files)
    if hashed:
        index = json.loads(files["vault.json"])
        index["files"] = {name: hashlib.sha256(files[name]).hexdigest() for name in index["files"]}
        files["vault.json"] = json.dumps(index).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def first_stream(files: Mapping[str, bytes]) -> str:
    return next(name for name in files if name.startswith("streams/"))


def flip(files: Files) -> None:
    name = first_stream(files)
    files[name] = files[name][:-1] + bytes([files[name][-1] ^ 1])


def lose(files: Files) -> None:
    del files[first_stream(files)]


def praise(files: Files) -> None:
    """Half a dB more for the first record."""
    header, *rows = csv.reader(io.StringIO(files["records.csv"].decode()))
    place = header.index("psnr_rgb")
    rows[0][place] = str(float(rows[0][place]) + 0.5)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    files["records.csv"] = text.getvalue().encode()


def test_the_same_run_is_the_same_file_and_verifies(packed: Path) -> None:
    assert packed.read_bytes() == packed.with_name("two.zip").read_bytes()
    files = read(packed)
    streams = [name for name in files if name.startswith("streams/")]
    assert {name.split("/")[0] for name in files} == {
        "vault.json", "run.json", "records.csv", "samples.csv", "cards", "streams",
    }  # fmt: skip
    assert all(Path(n).stem == hashlib.sha256(files[n]).hexdigest() for n in streams)
    done = bench("vault", "verify", packed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "A. Author: verified; 8 of 8 streams decoded" in done.stdout
    assert "24 values compared" in done.stdout  # mse, psnr_rgb and psnr_y of eight records


@pytest.mark.parametrize(
    ("change", "hashed", "says"),
    [
        (flip, False, ".bin: damaged, its bytes are not those that were packed ("),
        (lose, False, ".bin: missing ("),
        (praise, True, "psnr_rgb is "),
    ],
)
def test_what_was_changed_is_named(
    packed: Path, tmp_path: Path, change: Callable[[Files], None], hashed: bool, says: str
) -> None:
    done = bench("vault", "verify", changed(packed, tmp_path / "v.zip", change, hashed=hashed))
    assert done.returncode == 1 and "1 problems" in done.stdout
    (line,) = [line for line in done.stdout.splitlines() if says in line]
    assert "quality=" in line or "crf=" in line


def test_a_record_that_was_changed_after_packing_is_refused(packed: Path, tmp_path: Path) -> None:
    done = bench("vault", "verify", changed(packed, tmp_path / "v.zip", praise, hashed=False))
    assert done.returncode == 2 and "records.csv was changed after packing" in done.stderr


def test_a_missing_decoder_is_skipped_by_name_with_the_cure(packed: Path) -> None:
    done = bench("vault", "verify", packed, BENCH_FFMPEG="/nowhere/ffmpeg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "x264: not decoded: BENCH_FFMPEG=/nowhere/ffmpeg: no such program" in done.stdout
    assert "4 of 8 streams decoded" in done.stdout and "12 values compared" in done.stdout


@pytest.mark.parametrize(
    ("codec", "variable", "decoder", "encoder"),
    [
        ("hm", "BENCH_HM", "TAppDecoderStatic", "TAppEncoderStatic"),
        ("vtm", "BENCH_VTM", "DecoderAppStatic", "EncoderAppStatic"),
        ("bpg", "BENCH_BPG", "bpgdec", "bpgenc"),
    ],
)
def test_a_reference_decoder_alone_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    codec: str, variable: str, decoder: str, encoder: str,
) -> None:  # fmt: skip
    monkeypatch.setenv(variable, str(tmp_path))
    built = build_codec(load_registry().codec(codec))
    with pytest.raises(Unavailable, match=f"no program ({decoder}|{encoder})"):
        check_decoder(built)
    program = tmp_path / "bin" / decoder
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match=f"no program {encoder}"):
        built.check_available()
    assert program in check_decoder(built)


def test_streams_that_are_not_kept_are_counted(packed: Path, tmp_path: Path) -> None:
    run = packed.with_name("run")
    lost = sorted(run.glob("kept/*/*/*.bin"))[0]
    payload = lost.read_bytes()
    lost.unlink()
    done = bench("vault", "pack", run, "--out", tmp_path / "v.zip")
    lost.write_bytes(payload)
    assert done.returncode == 2 and "not kept or damaged: 1 of" in done.stderr


def test_a_run_continues_from_a_vault(packed: Path, tmp_path: Path) -> None:
    """Nothing of it is measured again, a further metric comes from its streams, and the run says
    who measured."""
    out = tmp_path / "out"
    words = ("run", "--suite", "starter", "--limit", 2, "--codecs", f"{CODECS},webp:quality=50")
    done = bench(
        *words, "--vault", packed, "--metrics", "psnr_rgb,psnr_u", "--no-report", "--out", out,
        "--jobs", 1,
    )  # fmt: skip
    assert "8 records come from one.zip, measured by A. Author on" in done.stdout, done.stderr
    assert "2 measured, 8 with metrics added" in done.stdout
    assert "measured by A. Author" in json.loads((out / "run.json").read_text())["timing"]
    theirs = csv.DictReader(io.StringIO(read(packed)["records.csv"].decode()))
    ours = list(csv.DictReader((out / "records.csv").open()))
    assert all(row["psnr_u"] for row in ours) and len(ours) == 10
    columns = ("bitstream_sha256", "encode_seconds", "psnr_rgb")
    assert {tuple(row[c] for c in columns) for row in theirs} < {
        tuple(row[c] for c in columns) for row in ours
    }


def test_a_vault_is_an_anchor_with_its_measurer_named(packed: Path, tmp_path: Path) -> None:
    """The BD-rate against a vault is that against its own run."""
    run = packed.with_name("run")
    bd = ("bd", run, "--metric", "psnr_rgb", "--anchor")
    done = bench(*bd, "jpeg, by A. Author", "--overlay", packed)
    assert "psnr_rgb against jpeg, by A. Author [vault]" in done.stdout, done.stderr
    ours = next(line for line in bench(*bd, "jpeg").stdout.splitlines() if "│ AVC (x264" in line)
    theirs = [line for line in done.stdout.splitlines() if "│ AVC (x264" in line]
    assert theirs[0].split("│")[2].strip() == ours.split("│")[2].strip()
