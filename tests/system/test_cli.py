"""The command line as a user meets it: exit status, one clear line, nothing heavy imported."""

import csv
import errno
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cli import COMMANDS, main, make_parser
from bench.engine.run import RunOptions
from bench.errors import UsageError
from bench.figures.drawing_process import DrawingProcess
from tests.command import ROOT, bench
from tests.fakes import write_cards


@pytest.fixture
def cards(tmp_path: Path) -> Path:
    return write_cards(tmp_path / "cards")


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal: exit status 2, no traceback."""
    assert done.returncode == 2, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("bench: ")
    return lines[0]


@pytest.mark.parametrize(
    ("key", "words", "seconds"),
    [("", (), 600), ("timeout = 3600\n", (), 3600), ("timeout = 3600\n", ("--timeout", "7"), 7)],
)
def test_a_suite_says_when_a_task_is_given_up(
    cards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    key: str, words: tuple[str, ...], seconds: float,
) -> None:  # fmt: skip
    path = cards / "datasets" / "noise.toml"
    path.write_text(path.read_text() + key)
    given: list[RunOptions] = []

    def run(campaign: object, options: RunOptions, progress: object) -> None:
        given.append(options)
        raise UsageError("that is all")

    monkeypatch.setattr("bench.engine.run.run", run)
    out = ["--cards", str(cards), "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["run", "--suite", "noise", *out, *words]) == 2
    assert given[0].timeout == seconds


@pytest.mark.parametrize(("codec", "drawn"), [("none", 0), ("jpeg:quality=10+90", 1)])
def test_what_draws_starts_only_for_curves(
    codec: str, drawn: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loading Matplotlib takes longer than a hundred pictures at a single point."""
    started: list[DrawingProcess] = []
    monkeypatch.setattr(DrawingProcess, "start", lambda drawing: started.append(drawing))
    Image.new("RGB", (16, 16)).save(tmp_path / "one.png")
    words = ("--metrics", "psnr_rgb", "--out", tmp_path / "out")
    done = bench("run", "--input", tmp_path / "one.png", "--codecs", codec, *words)
    assert done.returncode == 0, done.stderr
    assert len(started) == drawn


def test_list_imports_nothing_heavy() -> None:
    script = (
        "import sys; from bench.cli import main; main(['list'])\n"
        "heavy = {'torch', 'numpy', 'cv2', 'pandas', 'matplotlib', 'PIL', 'compressai', 'rich'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip().endswith("heavy: []")


def test_list_names_every_card() -> None:
    done = bench("list", "codecs")
    cards = {path.stem for path in (ROOT / "codecs").glob("*.toml")}
    assert {line.split()[0] for line in done.stdout.splitlines()} == cards


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--suite", "kodac"], "unknown suite 'kodac'; did you mean kodak"),
        (["--suite", "noise", "--codecs", "corse"], "unknown codec 'corse'; did you mean coarse"),
        (["--suite", "noise", "--codecs", "coarse:bits=9"], "bits 9 is outside 1–8"),
        (["--suite", "noise", "--codecs", "coarse:depth=9"], "unknown setting 'depth'"),
        (["--suite", "noise", "--codecs", "coarse:bits=x"], "bits x is outside 1–8"),
        (["--input", "no/such/folder", "--codecs", "jpeg"], "no/such/folder"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    cards: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    line = refused(bench("run", *words, "--cards", cards, "--out", tmp_path / "out"))
    assert says in line


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--jobs", "0"], "'0' is not a whole number above 0"),
        (["--timeout", "-1"], "'-1' is not a number of seconds above 0"),
        (["--target-bpp", "0.1+x"], "'0.1+x' is not rates above 0 joined by +"),
    ],
)
def test_bad_numbers_are_named(words: list[str], says: str) -> None:
    done = bench("run", "--suite", "starter", *words)
    assert done.returncode == 2
    assert says in done.stderr.splitlines()[-1]


def test_missing_data_say_how_to_get_them(tmp_path: Path) -> None:
    line = refused(
        bench("run", "--suite", "kodak", "--out", tmp_path / "out", BENCH_DATA="",
              XDG_CACHE_HOME=str(tmp_path / "cache"))
    )  # fmt: skip
    assert "python -m bench fetch kodak" in line


def test_an_unwritable_folder_is_named(cards: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused(
        bench("run", "--suite", "noise", "--cards", cards, "--out", tmp_path / "file" / "out")
    )
    assert "cannot be written" in line


def test_a_run_with_failures_exits_1_and_says_why(cards: Path, tmp_path: Path) -> None:
    done = bench("run", "--suite", "noise", "--cards", cards, "--out", tmp_path / "out",
                 "--codecs", "coarse:bits=2+4,fault=raise,on=2")  # fmt: skip
    assert done.returncode == 1
    assert "2 × coarse:fault=raise,on=2: ValueError: fake trouble" in done.stdout
    assert "6 measured, 2 failed" in done.stdout


def test_lists_may_be_given_in_pieces(cards: Path, tmp_path: Path) -> None:
    done = bench(
        "run", "--suite", "noise", "--cards", cards, "--out", tmp_path / "out", "--no-report",
        "--codecs", "coarse:bits=4", "--codecs", "none",
        "--metrics", "psnr_rgb", "--metrics", "psnr_y",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out" / "records.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["codec"] for row in rows} == {"coarse", "none"}
    assert {"psnr_rgb", "psnr_y"} <= set(rows[0])


def test_equal_values_of_two_runs_are_one_point_and_two_parameters_two_codecs(
    tmp_path: Path,
) -> None:
    """Own run of report 14: quality=50 and 50.0 in one folder; and both quantisers of x264."""
    rng = np.random.default_rng(1)
    Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8)).save(tmp_path / "p.png")
    out = tmp_path / "out"
    for codecs in ("jpeg:quality=30+50,x264-medium:crf=27", "jpeg:quality=50.0,x264-medium:qp=27"):
        done = bench("run", "--input", tmp_path / "p.png", "--codecs", codecs, "--out", out,
                     "--metrics", "psnr_rgb", "--jobs", 1, "--no-report")  # fmt: skip
        assert done.returncode == 0, done.stderr
    with (out / "records.csv").open() as file:
        rows = [(row["codec"], row["point"], row["bytes"]) for row in csv.DictReader(file)]
    assert sorted(row[:2] for row in rows) == [
        ("jpeg", "quality=30"),
        ("jpeg", "quality=50"),
        ("x264-medium", "crf=27"),
        ("x264-medium:qp", "qp=27"),
    ]
    assert len({size for codec, _, size in rows if codec.startswith("x264")}) == 2


def test_a_card_whose_ladder_became_another_does_not_join_its_old_curve(
    tmp_path: Path, cards: Path
) -> None:
    card = cards / "codecs" / "coarse.toml"
    words = ("run", "--suite", "noise", "--cards", cards, "--codecs", "coarse", "--limit", 1,
             "--out", tmp_path / "out", "--no-report", "--jobs", 1)  # fmt: skip
    assert bench(*words).returncode == 0
    card.write_text(card.read_text().replace("bits = [1, 2, 4, 6]", "on = [0]"))
    said = refused(bench(*words))
    assert "codec coarse has points of bits and of on, which are no one curve" in said
    assert bench(*words, "--fresh").returncode != 2


def test_target_rates_are_reached_or_said_to_be_out_of_reach(tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = bench("run", "--suite", "starter", "--limit", 2, "--codecs", "jpeg,png",
                 "--target-bpp", "0.5+30", "--no-report", "--out", out)  # fmt: skip
    assert done.returncode == 0
    with (out / "records.csv").open() as file:
        found = list(csv.DictReader(file))
    reached = [row for row in found if row["codec"] == "jpeg" and row["status"] == "done"]
    assert [row["point"] for row in reached] == ["target_bpp=0.5"] * 2
    for row in reached:
        assert row["reached"].startswith("quality=")
        assert abs(float(row["bpp"]) / 0.5 - 1) < 0.05
    reasons = {row["reason"] for row in found if row["status"] == "skipped"}
    assert any("its highest rate here is" in reason for reason in reasons)
    assert "has one operating point and cannot be set to a rate" in reasons


def test_kept_streams_are_the_measured_ones(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", "--suite", "starter", "--limit", 2, "--codecs", "jpeg:quality=50",
             "--out", out]  # fmt: skip
    bench(*words)
    assert not (out / "kept").exists()
    bench(*words, "--keep", 1)
    (entry,) = json.loads((out / "kept" / "index.json").read_text())
    with (out / "records.csv").open() as file:
        row = next(csv.DictReader(file))
    payload = (out / "kept" / entry["reconstruction"]).with_suffix(".bin").read_bytes()
    assert hashlib.sha256(payload).hexdigest() == row["bitstream_sha256"]
    assert (entry["item"], entry["point"]) == (row["item"], row["point"])
    assert (out / "kept" / entry["original"]).is_file()


def test_a_full_disk_is_one_line_wherever_it_is_met(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from bench.commands import listing

    def fill(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/data/x.pt")

    monkeypatch.setattr(listing, "print_lists", fill)
    assert main(["list", "codecs"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("bench: /data/x.pt: No space left on device; make room")
    assert said.count("\n") == 1


@pytest.mark.parametrize(("soft", "hard"), [(20, 20), (20, 4096)])
def test_few_open_files_are_named_or_made_more(soft: int, hard: int) -> None:
    done = subprocess.run(
        ["bash", "-c", f'ulimit -Sn {soft}; ulimit -Hn {hard}; exec "$@"', "-",
         sys.executable, "-m", "bench", "list", "codecs"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    if hard == soft:
        assert "allows 20 open files, 48 are needed; ulimit -n 4096" in refused(done)
    else:
        assert done.returncode == 0, done.stderr


def test_a_run_goes_on_when_nobody_reads(cards: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", "--suite", "noise", "--cards", cards, "--jobs", 1, "--no-report", "--out", out]
    command = [sys.executable, "-m", "bench", *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (process.returncode, said) == (0, "")
    assert (out / "records.csv").is_file() and (out / "run.json").is_file()


def test_a_list_that_nobody_reads_ends_quietly() -> None:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m bench list | true"],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip
    assert done.stderr == ""


def test_the_locale_c_gets_a_whole_summary(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "ü.png")
    done = bench(
        "run", "--input", tmp_path, "--codecs", "jpeg:quality=50,webp:quality=50", "--jobs", 1,
        "--metrics", "psnr_rgb", "--out", tmp_path / "out", LC_ALL="C", PYTHONUTF8="0",
        PYTHONCOERCECLOCALE="0",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "see table.md" in done.stdout
    with (tmp_path / "out" / "records.csv").open(encoding="utf-8") as file:
        assert [row["item"] for row in csv.DictReader(file)] == ["ü", "ü"]


def test_messages_are_one_plain_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--codecs", "jpeg", "--input", "a\nb\x1b[31m\udcff"]) == 2
    assert capsys.readouterr().err == "bench: a b\\x1b[31m\\xff: no such file or folder\n"


HELLO = """
import argparse

from bench.commands.options import add_cards, positive

SUMMARY = "greets"
EXAMPLES = ("--times 2",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--times", type=positive, default=1)
    add_cards(parser)


def call(options: argparse.Namespace) -> int:
    print("hello " * options.times)
    return 7
"""


def test_a_subcommand_is_a_file_and_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hello_of_a_test.py").write_text(HELLO)
    (tmp_path / "greeting_plugin.py").write_text("print('loaded first')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(COMMANDS, "hello", "hello_of_a_test")
    monkeypatch.setattr("bench.cards.plugins._known", {})
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "    hello     greets\n" in capsys.readouterr().out
    assert main(["hello", "--times", "2", "--plugin", str(tmp_path / "greeting_plugin.py")]) == 7
    assert capsys.readouterr().out == "hello hello \n"  # noted, but not imported
    with pytest.raises(SystemExit) as end:
        main(["hello", "--times", "0"])
    assert end.value.code == 2
    assert "'0' is not a whole number above 0" in capsys.readouterr().err


def test_a_subcommand_imports_no_other_and_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; from bench.cli import COMMANDS, main, make_parser\n"
        "try: main({words})\n"
        "except SystemExit: pass\n"
        "rooms = {{'.'.join(name.split('.')[:2]) for name in sys.modules if '.' in name}}\n"
        "print('commands:', sorted(name for name, module in COMMANDS.items() "
        "if module in sys.modules))\n"
        "print('rooms:', sorted(room for room in rooms if room.startswith('bench.')))\n"
        "print('others:', sorted({{'torch', 'numpy', 'pandas', 'rich'}} & set(sys.modules)))"
    )

    def imported(*words: str) -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", script.format(words=list(words))], capture_output=True,
            text=True, cwd=ROOT, check=True,
        )  # fmt: skip
        return done.stdout.splitlines()[-3:]

    ground = "['bench.cli', 'bench.commands', 'bench.errors', 'bench.processes']"
    assert imported("bd", "--help") == ["commands: ['bd']", f"rooms: {ground}", "others: []"]
    assert imported("--help") == [
        f"commands: {sorted(COMMANDS)}", f"rooms: {ground}", "others: []"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("jpeg:quality=nan", "codec jpeg:quality=nan: quality nan is outside 1–100"),
        ("jpeg:quality=50+inf", "codec jpeg:quality=50+inf: quality inf is outside 1–100"),
        ("jpeg:quality=-5", "codec jpeg:quality=-5: quality -5 is outside 1–100"),
        ("x265:crf=nan", "codec x265:crf=nan: crf nan is outside 0–51"),
        ("x264:keyint=0", "keyint 0 is outside 1–100000, or -1 for one intra picture a clip"),
        ("jpeg:quality=50+", "quality '' is outside 1–100"),
        ("x264:qp", "'qp' is not key=value"),
        ("x265:params=foo=0", "libx265 says 'Unknown option: foo.'; change params"),
        ("x264:params=me=no-such", "libx264 says"),
        ("jpeg-mosaic:quality=0", "quality=0 is outside 1–100 of jpeg"),
    ],
)
def test_what_a_user_typed_is_one_line_that_blames_no_card(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, says: str
) -> None:
    from PIL import Image

    Image.new("RGB", (32, 32)).save(tmp_path / "p.png")
    out = ["--out", str(tmp_path / "out"), "--jobs", "1", "--no-report"]
    assert main(["run", "--input", str(tmp_path / "p.png"), "--codecs", word, *out]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert says in said and ".toml" not in said and "ladder." not in said


def test_every_help_has_examples_that_are_understood(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as done:
            main([name, "--help"])
        lines = capsys.readouterr().out.partition("examples:")[2].splitlines()
        examples = [line.strip() for line in lines if line.startswith("  bench ")]
        assert done.value.code == 0 and examples, name
        for line in examples:
            words = line.split()[1:]
            assert words[0] == name and make_parser(words).parse_args(words), line


@pytest.mark.parametrize("words", [[], ["run"], ["report"], ["run", "--suite"], ["nonsense"]])
def test_a_usage_error_is_one_line_that_says_where_help_is(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(words)
    lines = capsys.readouterr().err.splitlines()
    assert done.value.code == 2 and len(lines) == 1 and lines[0].endswith("--help")
