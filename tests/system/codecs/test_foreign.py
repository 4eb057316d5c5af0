"""Code that is not ours, in processes of its own: failures, identity, what it cannot change."""

from __future__ import annotations

import ast
import csv
import json
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.cards import load_registry
from bench.codecs import foreign
from bench.codecs.build import build_codec, select
from bench.codecs.foreign import host
from bench.codecs.foreign.codec import ForeignCodec, close_all
from bench.codecs.foreign.worker import top_levels
from bench.engine.probe import probe
from bench.errors import CodecError, Unavailable, UsageError
from bench.records import Point
from bench.signals import Signal, image

CODEC = """
import json, os, random, signal, sys
import numpy as np
from bench.codecs.toolkit import CodecBase, Encoded, Range, Choice, image
from bench.signals import Signal

FAULTS = ("none", "exit", "segv", "mute", "kill", "sysexit", "keyboard", "base", "speechless",
          "decode", "remember", "patch", "library", "random", "write", "nested", "chain",
          "seen", "estimate")
MEMORY = {}


class Speechless(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Own(BaseException):
    pass


def fail(how):
    if how == "exit":
        os._exit(3)
    if how == "segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "mute":
        os.closerange(3, 99)
        while True:
            signal.pause()
    if how == "sysexit":
        sys.exit(0)
    if how == "keyboard":
        raise KeyboardInterrupt
    if how == "base":
        raise Own("of its own kind")
    if how == "speechless":
        raise Speechless
    if how == "library":
        json.loads("{")
    if how == "write":
        open("log.txt", "w")


class Plain(CodecBase):
    parameters = {"step": Range(1, 9), "fault": Choice(FAULTS)}

    def encode(self, signal, point):
        how = self.settings.get("fault", "none")
        frame = next(signal.frames())
        if how == "remember":
            MEMORY[0] = frame
        if how == "patch":
            Signal.sha256 = lambda self: "0" * 64
        fail(how)
        if how == "seen":
            return Encoded(b"1", reconstruction=image(frame))
        if how == "estimate":
            return Encoded.as_estimated(image(frame), 8.0)
        if how == "random":
            return Encoded(np.random.bytes(4) + random.randbytes(4) + str(sys.argv[1:]).encode())
        return Encoded(bytes(frame.shape[:2]) + frame.tobytes())

    def decode(self, payload):
        if self.settings.get("fault") == "decode":
            sys.exit(0)
        if self.settings.get("fault") == "remember":
            return image(MEMORY[0])
        if self.settings.get("fault") == "nested":
            import deep.er.late
        if self.settings.get("fault") == "chain":  # the second payload needs the first
            payload = MEMORY[1] = bytes([p ^ m for p, m in zip(payload, MEMORY.get(1, bytes(999)))])
            payload = bytes((8, 8)) + payload[2:]
        height, width = payload[:2]
        return image(np.frombuffer(payload[2:], np.uint8).reshape(height, width, 3))
"""
CARD = 'title = "Plain"\nadapter = "plain_codec:Plain"\nmedia = ["image"]\n'
PIXELS = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder with an adapter, its card and a picture."""
    (tmp_path / "cards").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "plain_codec.py").write_text(CODEC)
    (tmp_path / "cards" / "plain.toml").write_text(CARD + "[ladder]\nstep = [1]\n")
    Image.fromarray(PIXELS).save(tmp_path / "pictures" / "p.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def codec(spec: str) -> ForeignCodec:
    found = build_codec(select(load_registry([Path("cards")]), spec))
    assert isinstance(found, ForeignCodec)
    return found


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("exit", "its process was ended by exit(3) while encoding"),
        pytest.param(
            "segv", "its process crashed (SIGSEGV) while encoding", marks=pytest.mark.nightly
        ),
        ("kill", "its process was killed by SIGKILL while encoding; out of memory?"),
        ("mute", "its process closed its pipe while encoding"),
        pytest.param(
            "sysexit", "SystemExit: called sys.exit(0) at plain_codec.py", marks=pytest.mark.nightly
        ),
        ("keyboard", "KeyboardInterrupt: at plain_codec.py"),
        pytest.param("base", "Own: of its own kind at plain_codec.py", marks=pytest.mark.nightly),
        pytest.param(
            "speechless",
            "Speechless: its message cannot be shown at plain_codec.py",
            marks=pytest.mark.nightly,
        ),
        (
            "library",
            "Expecting property name enclosed in double quotes: line 1 column 2 (char 1) "
            "at plain_codec.py",
        ),
        ("write", "Read-only file system: 'log.txt'; it may write into $TMPDIR alone"),
    ],
)
def test_whatever_an_encoder_does_is_a_reason_and_the_next_call_works(
    home: Path, fault: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if fault == "mute":  # else the test would last as long as the host has patience
        monkeypatch.setattr(host, "_LAST_SECONDS", 0.5)
    failing = codec(f"plain:fault={fault}")
    for _ in range(2):
        with pytest.raises(CodecError) as caught:
            failing.encode(image(PIXELS), Point("step", 1))
        assert says in str(caught.value)
    sound = codec("plain")
    payload = sound.encode(image(PIXELS), Point("step", 1)).payload
    assert (sound.decode(payload).array()[0] == PIXELS).all()


def test_a_harness_with_many_open_files_still_hears_its_workers(home: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limits[1] < 1300:
        pytest.skip("this process may open too few files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1300, limits[1]))
    handles = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        sound = codec("plain")
        payload = sound.encode(image(PIXELS), Point("step", 1)).payload
        assert (sound.decode(payload).array()[0] == PIXELS).all()
        close_all()
    finally:
        for handle in handles:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_decoder_knows_nothing_of_its_encoder_and_neither_changes_the_harness(
    home: Path,
) -> None:
    remembering = codec("plain:fault=remember")
    payload = remembering.encode(image(PIXELS), Point("step", 1)).payload
    with pytest.raises(CodecError, match=r"KeyError: 0 at plain_codec\.py"):
        remembering.decode(payload)
    before = Signal.sha256
    patching = codec("plain:fault=patch")
    patching.encode(image(PIXELS), Point("step", 1))
    assert Signal.sha256 is before and "plain_codec" not in sys.modules


def test_a_decoder_finds_modules_in_folders_of_folders(home: Path) -> None:
    """Which it alone imports, and late."""
    (home / "deep" / "er").mkdir(parents=True)
    (home / "deep" / "er" / "late.py").write_text("")
    nested = codec("plain:fault=nested")
    payload = nested.encode(image(PIXELS), Point("step", 1)).payload
    assert (nested.decode(payload).array()[0] == PIXELS).all()
    assert str(home / "deep" / "er" / "late.py") in nested.code()


def test_random_numbers_do_not_depend_on_the_calls_before(home: Path) -> None:
    """Nor does code of others see the worker's own arguments, which its options would refuse."""
    drawing = codec("plain:fault=random")
    first, again = (drawing.encode(image(PIXELS), Point("step", 1)).payload for _ in range(2))
    assert first == again and first[8:] == b"[]"


def test_values_are_checked_where_the_adapter_is(home: Path) -> None:
    with pytest.raises(UsageError, match="step"):
        codec("plain:step=12")
    varied = codec("plain:fault=none,step=2+3").card
    assert varied.id == "plain:fault=none"
    assert varied.ladder == (Point("step", 2), Point("step", 3))


@pytest.mark.parametrize(
    ("adapter", "says"),
    [
        ("a.b:C", "cannot be imported: ModuleNotFoundError: No module named 'a'"),
        ("os:system", "adapter 'os:system' is a builtin_function_or_method, not a class"),
        ("fractions:Fraction", "adapter 'fractions:Fraction' has no encode, decode, parameters"),
        ("broken:X", "ZeroDivisionError: division by zero at broken.py:1"),
        ("leaving:X", "SystemExit: called sys.exit(3) at leaving.py:1"),
        ("untyped:X", "adapter 'untyped:X': parameters is a list; write a mapping of names"),
    ],
)
def test_what_is_no_codec_fails_its_rows(home: Path, adapter: str, says: str) -> None:
    (home / "broken.py").write_text("1 / 0\n")
    (home / "leaving.py").write_text("raise SystemExit(3)\n")
    (home / "untyped.py").write_text(
        "from bench.codecs.base import CodecBase\nclass X(CodecBase):\n    parameters = ['q']\n"
    )
    card = f'title = "x"\nadapter = "{adapter}"\nmedia = ["image"]\n[ladder]\nq = [1, 2]\n'
    (home / "cards" / "bad.toml").write_text(card)
    card_of_two = select(load_registry([Path("cards")]), "bad:q=2")
    assert card_of_two.ladder == (Point("q", 2),)
    assert says in (probe(card_of_two, "cpu").failure or "")


@pytest.mark.parametrize(("key", "word"), [("path", '["cloned"]'), ("python", '"envs/python"')])
def test_an_environment_that_is_not_here_skips(home: Path, key: str, word: str) -> None:
    text = f"{CARD}[environment]\n{key} = {word}\n"
    (home / "cards" / "away.toml").write_text(text)
    found = probe(load_registry([Path("cards")]).codec("away"), "cpu")
    assert word.strip('[]"') in (found.unavailable or "")


def test_what_reads_names_belongs_to_what_was_measured(home: Path) -> None:
    """A table that changed is another decoder; one that is missing is said before anything runs."""
    (home / "cards" / "reading.toml").write_text('reads = ["table.bin"]\n' + CARD)
    card = load_registry([Path("cards")]).codec("reading")
    table = home / "cards" / "table.bin"
    assert (probe(card, "cpu").unavailable or "").endswith("table.bin, which is missing")
    found = []
    for content in (b"one", b"two"):
        table.write_bytes(content)
        found.append(probe(card, "cpu").versions["reads"].split()[-1])
    # printf one | sha256sum
    assert found == ["7692c3ad3540", "3fc4ccfe7458"]


def test_two_repositories_with_one_package_name_side_by_side(home: Path) -> None:
    for name, gain in (("a", 1), ("b", 2)):
        package = home / name / "models"
        package.mkdir(parents=True)  # without __init__.py
        (package / "gain.py").write_text(f"GAIN = {gain}\n")
        (package / "net.py").write_text(
            "from models.gain import GAIN\nfrom bench.codecs.toolkit import *\n"
            "class Net(CodecBase):\n"
            "    def encode(self, signal, point): return Encoded(b'x')\n"
            "    def decode(self, payload):\n"
            "        import numpy\n"
            "        return image(numpy.full((8, 8, 3), GAIN, numpy.uint8))\n"
        )
        (home / "cards" / f"net{name}.toml").write_text(
            'title = "x"\nadapter = "models.net:Net"\nmedia = ["image"]\n'
            f'[environment]\npath = ["{name}"]\n'
        )
    for name, gain in (("neta", 1), ("netb", 2), ("neta", 1)):
        net = codec(name)
        payload = net.encode(image(PIXELS), Point("mode", "only")).payload
        assert int(net.decode(payload).array().max()) == gain


def bench(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *words], capture_output=True, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_an_edit_of_a_module_loaded_late_is_measured_again_and_named(home: Path) -> None:
    source = CODEC.replace("        fail(how)\n", "        import layers\n        fail(how)\n")
    (home / "plain_codec.py").write_text(source)
    (home / "layers.py").write_text("GAIN = 1\n")
    run = ["run", "--input", "pictures", "--cards", "cards", "--codecs", "plain", "--metrics"]
    run += ["psnr_rgb", "--jobs", "1", "--no-report", "--out"]
    said = [bench(*run, "out") for _ in range(2)]
    assert "1 measured" in said[0].stdout and "0 measured, 1 kept" in said[1].stdout
    (codecs,) = json.loads((home / "out" / "run.json").read_text())["codecs"]
    assert sorted(Path(path).name for path in codecs["code"]) == ["layers.py", "plain_codec.py"]
    (home / "layers.py").write_text("GAIN = 2\n")
    again = bench(*run, "out")
    assert "1 measured" in again.stdout
    assert "another version, code" in again.stdout + again.stderr


def test_a_run_names_failed_rows_and_ends_with_status_1(home: Path) -> None:
    Image.fromarray(PIXELS[::-1]).save(home / "pictures" / "q.png")
    done = bench(
        "run", "--input", "pictures", "--cards", "cards", "--codecs",
        "plain:fault=decode,plain:fault=seen,plain:fault=chain,plain:fault=estimate,plain,"
        "jpeg:quality=50",
        "--metrics", "psnr_rgb", "--jobs", "1", "--no-report", "--out", "out",
    )  # fmt: skip
    assert done.returncode == 1
    with (home / "out" / "records.csv").open() as file:
        rows = {row["codec"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "plain:fault=chain": "done",
        "plain:fault=decode": "failed",
        "plain:fault=estimate": "done",
        "plain:fault=seen": "failed",
        "plain": "done",
        "jpeg": "done",
    }
    assert "called sys.exit(0)" in rows["plain:fault=decode"]["reason"]
    verdicts = json.loads((home / "out" / "run.json").read_text())["verdicts"]
    checks = {(one["codec"].partition(":")[0], one["check"]) for one in verdicts}
    assert checks == {("plain", "decoded_apart"), ("jpeg", "fresh_decode")}
    (refuted,) = [one for one in verdicts if not one["passed"]]
    assert (refuted["codec"], refuted["item"]) == ("plain:fault=chain", "q")
    assert "decoded nothing before decodes it to other pixels" in refuted["detail"]
    assert "a reconstruction beside a measured rate" in rows["plain:fault=seen"]["reason"]


def test_of_two_releases_the_one_that_is_imported_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment that sees another's packages behind its own has two of some."""
    for version in ("1.0", "2.0"):
        info = tmp_path / version / "thing.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: thing\nVersion: {version}\n")
        (info / "top_level.txt").write_text("thing\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "2.0"), str(tmp_path / "1.0"), *sys.path])
    assert top_levels.__wrapped__()["thing"] == ("thing", "2.0")


def test_unavailable_is_no_failure(home: Path) -> None:
    text = CODEC + (
        "    def check_available(self):\n"
        "        raise RuntimeError('Found no NVIDIA driver on your system')\n"
    )
    (home / "plain_codec.py").write_text(text)
    with pytest.raises(Unavailable, match="needs a CUDA device"):
        codec("plain").check_available()


def test_an_interpreter_that_the_card_names_runs_its_code(home: Path) -> None:
    link = home / "envs" / "python"
    link.parent.mkdir()
    link.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    link.chmod(0o755)
    text = f'{CARD}[environment]\npython = "envs/python"\n'
    (home / "cards" / "own.toml").write_text(text)
    own = codec("own")
    payload = own.encode(image(PIXELS), Point("mode", "only")).payload
    assert (own.decode(payload).array()[0] == PIXELS).all()
    assert own.versions()["python"] == platform.python_version()
    assert "python" not in codec("plain").versions()


def test_what_runs_in_an_interpreter_of_others_needs_python_3_8_and_nothing_else_of_ours() -> None:
    alone = ["worker", "model_backend", "network", "plain", "samples"]
    files = [Path(foreign.__file__).with_name(f"{name}.py") for name in alone]
    trees = [ast.parse(file.read_text(), feature_version=(3, 8)) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {"." * one.level + str(one.module) for one in nodes if isinstance(one, ast.ImportFrom)}
    names |= {alias.name for one in nodes if isinstance(one, ast.Import) for alias in one.names}
    ours = {name for name in names if name.startswith((".", "bench"))}
    assert ours == {".network", ".plain", ".samples"}
    pytest.importorskip("vermin", reason="vermin is not installed: pip install -e .[dev]")
    words = ["-c", "import vermin; vermin.main()", "--no-tips", "-t=3.8-", *map(str, files)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


PLUGIN = """
import dataclasses
import bench.engine.measure as measure
from bench.metrics.base import FrameMetric
from bench.metrics.info import MetricInfo

made = measure.with_result


def with_result(record, layout, coded, scores):
    values = {**scores.values, "psnr_rgb": 99.0}
    return made(record, layout, coded, dataclasses.replace(scores, values=values))


measure.with_result = with_result


class Nice(FrameMetric):
    info = MetricInfo(id="nice", title="Nice", definition="x", purpose="x", tolerance=1)

    def prepare(self, reference):
        return reference

    def score(self, prepared, decoded):
        return float(prepared.mean())


class Wide(Nice):
    info = MetricInfo(id="wide", title="Wide", definition="x", purpose="x", tolerance=1)

    def score(self, prepared, decoded):
        return prepared.mean((0, 1))
"""


def test_a_metric_of_a_plug_in_changes_no_other(home: Path) -> None:
    (home / "nice_metric.py").write_text(PLUGIN)
    done = bench(
        "run", "--input", "pictures", "--codecs", "jpeg:quality=50", "--jobs", "1", "--no-report",
        "--metrics", "psnr_rgb,nice,wide", "--plugin", "nice_metric.py", "--out", "out",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (home / "out" / "records.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["psnr_rgb"]) < 60
    assert float(row["nice"]) == PIXELS.mean() and "wide" not in row
    assert row["remarks"] == "wide: gives values of shape (1, 3) for 1 frames"
