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


def records(files: Files, change: Callable[[list[dict[str, str]]], object]) -> None:
    """Changes the rows of records.csv."""
    rows = list(csv.DictReader(io.StringIO(files["records.csv"].decode())))
    header = list(rows[0])
    change(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    files["records.csv"] = text.getvalue().encode()


def first(**values: object) -> Callable[[Files], None]:
    """Other values of the first record; a number times what is there, a text in its place."""

    def change(rows: list[dict[str, str]]) -> None:
        for name, value in values.items():
            old = rows[0][name]
            rows[0][name] = value if isinstance(value, str) else f"{float(old) * value:.17g}"

    return lambda files: records(files, change)


def run_says(**values: object) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        files["run.json"] = json.dumps(json.loads(files["run.json"]) | values).encode()

    return change


def add(name: str) -> Callable[[Files], None]:
    return lambda files: files.__setitem__(name, b"x")


praise = first(psnr_rgb=1.02)


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
        (first(psnr_y=""), True, "psnr_y is empty in the record, "),
        (first(bytes=0.5, bpp=0.5), True, "bytes is "),
        (first(width=2.0, bpp=0.5), True, "width is "),
        (first(frames=2.0, bpp=0.5), True, "frames is 2 in the record, 1 of the item"),
        (first(rate="estimated"), True, "is done with a rate that is estimated"),
        (first(header_bytes="99999999"), True, "header_bytes is 99999999 of "),
        (first(lossless="true"), True, "is called lossless, with mse "),
        (first(dataset="kodak"), True, "is of starter and kodak, the run of starter and starter"),
        (lambda files: records(files, lambda rows: rows.append(rows[0])), True, "is there 2 times"),
        (lambda files: records(files, lambda rows: rows.pop(0)), True, "no record has it"),
        (add("evil.py"), True, "evil.py: no part of this vault"),
        (add("../evil.py"), False, "../evil.py: no part of this vault"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(
    packed: Path, tmp_path: Path, change: Callable[[Files], None], hashed: bool, says: str
) -> None:
    done = bench("vault", "verify", changed(packed, tmp_path / "v.zip", change, hashed=hashed))
    assert done.returncode == 1 and " problem" in done.stdout, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if says in line], done.stdout


def test_values_are_compared_whatever_the_run_says_of_metrics(packed: Path, tmp_path: Path) -> None:
    def change(files: Files) -> None:
        praise(files)
        run_says(metrics=[])(files)

    done = bench("vault", "verify", changed(packed, tmp_path / "v.zip", change, hashed=True))
    assert done.returncode == 1 and "psnr_rgb is " in done.stdout


def other_version(files: Files) -> None:
    praise(files)
    run_says(metric_versions={"psnr_rgb": {"other": "1"}})(files)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (other_version, "psnr_rgb: not compared: version none here, other 1 measured"),
        (run_says(command=["bench", "run", "--input", "easy"]), "give a folder of the same with"),
        (run_says(command=["bench", "run", "--suite", "gaussian"]), "its command is of others"),
    ],
)
def test_what_cannot_be_examined_is_not_verified(
    packed: Path, tmp_path: Path, change: Callable[[Files], None], says: str
) -> None:
    """A vault says by itself what measured it and of which originals: neither is believed."""
    vault = changed(packed, tmp_path / "v.zip", change, hashed=True)
    done = bench("vault", "verify", vault)
    assert done.returncode == 0 and "nothing wrong, not all examined" in done.stdout
    assert says in done.stdout, done.stdout
    assert bench("vault", "verify", "--strict", vault).returncode == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (run_says(item_digests=5), "run.json: item_digests is 5; the file is damaged"),
        (first(height="-3"), "records.csv: line 2: height is -3; it is damaged"),
        (lambda files: files.__setitem__("vault.json", b"[1]"), "no vault that can be read"),
        (lambda files: files.__setitem__(
            "vault.json", files["vault.json"].replace(b'"format": 1', b'"format": 2')),
         "vault format 2 is none that this bench reads (up to 1); upgrade bench"),
    ],
)  # fmt: skip
def test_a_vault_that_cannot_be_read_is_one_line(
    packed: Path, tmp_path: Path, change: Callable[[Files], None], says: str
) -> None:
    hashed = "format" not in says and "no vault" not in says
    vault = changed(packed, tmp_path / "v.zip", change, hashed=hashed)
    done = bench("vault", "verify", vault)
    assert done.returncode == 2 and f"{vault}: {says}" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_zip_that_nothing_here_wrote_is_refused(packed: Path, tmp_path: Path) -> None:
    """Compressed files could be of any size, and of two with one name each reader takes another."""
    files, vault = read(packed), tmp_path / "v.zip"
    with zipfile.ZipFile(vault, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    assert "vault.json is compressed" in bench("vault", "verify", vault).stderr
    with zipfile.ZipFile(vault, "w") as file, pytest.warns(UserWarning, match="Duplicate"):
        for name in (*files, "records.csv"):
            file.writestr(name, files[name])
    assert "records.csv is there twice" in bench("vault", "verify", vault).stderr
    vault.write_bytes(packed.read_bytes()[:-1])
    assert "no vault that can be read" in bench("vault", "verify", vault).stderr


def test_some_points_are_packed(packed: Path, tmp_path: Path) -> None:
    vault = tmp_path / "v.zip"
    pack = ("vault", "pack", packed.with_name("run"), "--out")
    done = bench(*pack, vault, "--codecs", "jpeg:quality=50,x264")
    assert "6 records, 6 streams" in done.stdout, done.stderr
    ladders = [one["ladder"] for one in json.loads(read(vault)["run.json"])["codecs"]]
    assert ladders == [["quality=50"], ["crf=30", "crf=40"]]
    assert ": verified; 6 of 6" in bench("vault", "verify", vault).stdout
    said = bench(*pack, vault, "--codecs", "jpeg:quality=51").stderr
    assert "no point quality=51; there are quality=10, quality=50" in said
    assert "is a folder; name a file" in bench(*pack, tmp_path).stderr
    assert "cannot be written" in bench(*pack, tmp_path / "no" / "v.zip").stderr


def test_a_record_that_was_changed_after_packing_is_named_and_not_used(
    packed: Path, tmp_path: Path
) -> None:
    vault = changed(packed, tmp_path / "v.zip", praise, hashed=False)
    done = bench("vault", "verify", vault)
    assert done.returncode == 1 and ": 2 problems; 8 of 8 streams decoded" in done.stdout
    assert "records.csv: damaged, its bytes are not those that were packed" in done.stdout
    assert "psnr_rgb is " in done.stdout
    done = bench("report", vault, "--out", tmp_path / "report")
    assert done.returncode == 2 and "records.csv was changed after packing" in done.stderr


def test_a_missing_decoder_is_skipped_by_name_with_the_cure(packed: Path) -> None:
    done = bench("vault", "verify", packed, BENCH_FFMPEG="/nowhere/ffmpeg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "x264: not decoded: BENCH_FFMPEG=/nowhere/ffmpeg: no such program" in done.stdout
    assert "nothing wrong, not all examined" in done.stdout
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


def test_points_of_a_vault_join_a_codec_that_is_there(packed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("run", "--suite", "starter", "--limit", 2, "--metrics", "psnr_rgb,psnr_y", "--jobs", 1,
             "--no-report", "--codecs", "jpeg:quality=50+75", "--out", out)  # fmt: skip
    assert bench(*words).returncode == 0
    said = bench(*words, "--vault", packed).stdout
    assert "6 records come from one.zip" in said
    codecs = json.loads((out / "run.json").read_text())["codecs"]
    assert {one["id"]: sorted(one["ladder"]) for one in codecs} == {
        "jpeg": ["quality=10", "quality=50", "quality=75"], "x264": ["crf=30", "crf=40"],
    }  # fmt: skip

    def change(files: Files) -> None:
        codecs = json.loads(files["run.json"])["codecs"]
        run_says(codecs=[{**codecs[0], "versions": {"Pillow": "0"}}, codecs[1]])(files)
        records(files, lambda rows: [row.update(fingerprint="other") for row in rows])

    vault = changed(packed, tmp_path / "v.zip", change, hashed=True)
    said = " ".join(bench(*words, "--vault", vault).stdout.split())
    assert "0 records come from v.zip" in said and "Left: jpeg, of other versions than in" in said
    assert "4 stay as" in said and "has them, such as x264 crf=30 astronaut." in said


def test_a_vault_is_an_anchor_with_its_measurer_named(packed: Path, tmp_path: Path) -> None:
    """The BD-rate against a vault is that against its own run."""
    run = packed.with_name("run")
    bd = ("bd", run, "--metric", "psnr_rgb", "--anchor")
    done = bench(*bd, "jpeg, by A. Author", "--overlay", packed)
    assert "psnr_rgb against jpeg, by A. Author [vault]" in done.stdout, done.stderr
    ours = next(line for line in bench(*bd, "jpeg").stdout.splitlines() if "│ AVC (x264" in line)
    theirs = [line for line in done.stdout.splitlines() if "│ AVC (x264" in line]
    assert theirs[0].split("│")[2].strip() == ours.split("│")[2].strip()


def test_a_vault_stands_in_the_place_of_a_results_folder(packed: Path, tmp_path: Path) -> None:
    run, out = packed.with_name("run"), tmp_path / "report"
    done = bench("report", packed, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "Measured by A. Author; the streams are in one.zip." in (out / "table.md").read_text()
    for words in (("bd", "--anchor", "jpeg"), ("check", "--against", run)):
        said = [bench(words[0], source, *words[1:]).stdout for source in (packed, run)]
        assert said[0] == said[1] and said[0]
    assert "give --out" in bench("report", packed).stderr
    said = bench("remeasure", packed, "--metrics", "ssim").stderr
    assert "one.zip: is a file; give the folder of a run" in said


def test_curves_of_other_items_are_drawn_only(packed: Path, tmp_path: Path) -> None:
    """Pictures of the same names are not the same pictures."""

    def change(files: Files) -> None:
        digests = json.loads(files["run.json"])["item_digests"]
        run_says(item_digests={name: digest[::-1] for name, digest in digests.items()})(files)

    vault = changed(packed, tmp_path / "v.zip", change, hashed=True)
    out = tmp_path / "report"
    done = bench("report", packed.with_name("run"), packed, "--overlay", vault, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "is not the item of this run" in (out / "table.md").read_text()


def test_a_codec_with_another_ladder_is_selected_by_its_points(tmp_path: Path) -> None:
    """Its id, ``x264:preset=fast,qp``, names no points, which a command line needs."""
    run, vault = tmp_path / "run", tmp_path / "v.zip"
    done = bench(
        "run", "--suite", "starter", "--limit", 1, "--codecs", "x264:qp=30+40,preset=fast",
        "--metrics", "psnr_rgb", "--keep", "all", "--no-report", "--jobs", 1, "--out", run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert bench("remeasure", run, "--metrics", "psnr_y").returncode == 0
    assert "2 records, 2 streams" in bench("vault", "pack", run, "--out", vault).stdout
    assert ": verified; 2 of 2" in bench("vault", "verify", vault).stdout
    (info,) = json.loads((run / "run.json").read_text())["codecs"]
    rows = list(csv.DictReader((run / "records.csv").open()))
    (tmp_path / "claim.csv").write_text(
        "codec,qp,bpp,psnr_rgb\n"
        + "".join(f"x,{r['point'][3:]},{r['bpp']},{r['psnr_rgb']}\n" for r in rows)
    )
    said = bench("audit", tmp_path / "claim.csv", vault, "--codec", info["id"]).stdout
    assert "  1. as measured here\n" in said, said


@pytest.mark.nightly
def test_a_network_may_round_otherwise_on_another_processor(tmp_path: Path) -> None:
    run, vault = tmp_path / "run", tmp_path / "v.zip"
    done = bench(
        "run", "--suite", "starter", "--limit", 1, "--codecs", "hyperprior:quality=3", "--keep",
        "all", "--metrics", "psnr_rgb", "--no-report", "--jobs", 1, "--out", run,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert bench("vault", "pack", run, "--out", vault).returncode == 0
    older = {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41"}
    done = bench("vault", "verify", "--strict", vault, **older)
    assert done.returncode == 0 and ": verified; 1 of 1" in done.stdout, done.stdout

    def change(files: Files) -> None:
        praise(files)
        files["samples.csv"] = files["samples.csv"][:-3] + b"00\n"

    done = bench("vault", "verify", changed(vault, tmp_path / "w.zip", change, hashed=True))
    assert "1 streams decode to other samples here: it computes in floating" in done.stdout
    assert done.returncode == 1 and "psnr_rgb is " in done.stdout
