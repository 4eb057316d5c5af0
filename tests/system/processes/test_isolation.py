"""Codecs that cheat: a decoder gets its picture from the payload or not at all."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.cards import load_registry, read_codec
from bench.codecs.base import Codec
from bench.codecs.command import CommandCodec
from bench.errors import CardError, CodecError, Unavailable
from bench.processes import isolation
from bench.records import Point
from bench.signals import image

ONLY = Point("mode", "only")
CHANNELS = Path(__file__).with_name("channels.py")
# with namespaces a path is not there, without them it cannot be opened
DENIED = "Permission denied|No such file or directory"
PICTURE = image(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))

pytestmark = pytest.mark.skipif(
    not isolation.describe().startswith(isolation.ISOLATED), reason=isolation.describe()
)


def build(folder: Path, settings: str, head: str = "") -> Codec:
    folder.mkdir(exist_ok=True)
    path = folder / "outside.toml"
    path.write_text(
        'title = "An outside codec"\nadapter = "bench.codecs.command:CommandCodec"\n'
        f'media = ["image"]\n{head}\n[settings]\n{settings}'
    )
    read_codec.cache_clear()
    return CommandCodec(load_registry([folder]).codec("outside"))


@pytest.mark.parametrize("way", ["file in beside", "file in /dev/shm", "attribute"])
def test_a_decoder_does_not_find_what_its_encoder_hid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """As a whole codec; ``test_channels`` tries the other ways."""
    folder = tmp_path / "codec"
    folder.mkdir()
    script = shutil.copy(CHANNELS, folder / "channels.py")
    words = f'"{sys.executable}", "-I", "-S", "{script}"'
    way = way.replace("beside", str(folder))
    codec = build(
        folder,
        f'encode = [{words}, "put", "{way}", "{{input}}", "{{bitstream}}"]\n'
        f'decode = [{words}, "get", "{way}", "{{bitstream}}", "{{output}}"]\n',
    )
    payload = codec.encode(PICTURE, ONLY).payload
    assert payload == b"8 bytes."
    with pytest.raises(CodecError):
        codec.decode(payload)
    # the same program without isolation gets away with it, or the test above proves nothing
    monkeypatch.setattr(isolation, "confine", lambda *_, **__: None)
    payload = codec.encode(PICTURE, ONLY).payload
    assert payload == b"8 bytes."
    assert (codec.decode(payload).array() == PICTURE.array()).all()


@pytest.mark.parametrize("job", ["encode", "decode"])
def test_a_link_is_no_output(tmp_path: Path, job: str) -> None:
    """It could lead to the original, which the harness may read and the program may not."""
    original = tmp_path / "original.png"
    original.write_bytes(b"what is in it")
    commands = {
        "encode": ["cp", "{input}", "{bitstream}"],
        "decode": ["cp", "{bitstream}", "{output}"],
    }
    commands[job] = ["ln", "-s", "PLACE", commands[job][2]]
    settings = "\n".join(f"{name} = {json.dumps(words)}" for name, words in commands.items())
    codec = build(tmp_path / "codec", settings.replace("PLACE", str(original)))
    with pytest.raises(CodecError, match="wrote no"):
        codec.decode(codec.encode(PICTURE, ONLY).payload)


def test_a_decoder_does_not_see_the_original(tmp_path: Path) -> None:
    """Not even in a folder that the card names, and the files around it stay readable."""
    folder = tmp_path / "codec"
    data = folder / "deep" / "pictures"
    data.mkdir(parents=True)
    original, model = data / "kodim01.png", folder / "deep" / "model.bin"
    for path in (original, model):
        path.write_bytes(b"what is in it")
    script = f"cat {{}} > $0 2>&1; ls {data} >&2; true"
    seen = {}
    try:
        isolation.hide(isolation.HiddenPaths(originals=(data,)))
        for name, path in (("original", original), ("model", model)):
            codec = build(
                folder,
                f'encode = ["sh", "-c", "{script.format(path)}", "{{bitstream}}"]\n'
                'decode = ["cp", "{bitstream}", "{output}"]\n',
                'reads = ["."]',
            )
            seen[name] = codec.encode(PICTURE, ONLY).payload
    finally:
        isolation.hide(isolation.HiddenPaths())
    assert seen["model"] == b"what is in it"
    assert re.search(DENIED.encode(), seen["original"])


@pytest.mark.parametrize("word", ["input", "/proc/PARENT/root/ORIGINAL", "/proc/PARENT/mem"])
def test_no_way_round_through_a_name_or_the_parent(tmp_path: Path, word: str) -> None:
    original = tmp_path / "original.png"
    original.write_bytes(b"what is in it")
    path = word.replace("PARENT", str(os.getpid())).replace("ORIGINAL", str(original))
    path = str(original) if word == "input" else path
    codec = build(
        tmp_path / "codec",
        f'encode = ["sh", "-c", "cat {path} > $0 2>&1; true", "{{bitstream}}"]\n'
        'decode = ["cp", "{bitstream}", "{output}"]\n',
    )
    assert re.search(DENIED.encode(), codec.encode(PICTURE, ONLY).payload)


def test_a_program_has_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        call = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        codec = build(
            tmp_path / "codec",
            f'encode = ["{sys.executable}", "-I", "-S", "-c", "{call}"]\n'
            'decode = ["cp", "{bitstream}", "{output}"]\n',
        )
        with pytest.raises(CodecError, match=r"refused|ermission|unreachable"):
            codec.encode(PICTURE, ONLY)


def test_temporary_files_of_a_program_lie_in_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import os, sys, tempfile; open(sys.argv[1], 'w').write("
        "f'{tempfile.gettempdir()} {os.getcwd()} {os.environ.get(sys.argv[2])}')"
    )
    codec = build(
        tmp_path / "codec",
        f'encode = ["{sys.executable}", "-I", "-S", "-c", "{script}", "{{bitstream}}", '
        '"BENCH_DATA"]\ndecode = ["cp", "{bitstream}", "{output}"]\n',
    )
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    temporary, current, data = codec.encode(PICTURE, ONLY).payload.decode().split()
    assert (current, data) == (temporary, "None")
    assert not Path(temporary).exists()


_NESTED = """
import sys, time
from pathlib import Path
from bench.processes import isolation
from bench.codecs.support.programs import run_confined
project, own = map(Path, sys.argv[1:])
isolation.hide(isolation.HiddenPaths(private=(project / "results",)))
isolation.confine_this_process(own, (), since=time.time())
(own / "program").mkdir()
with (own / "log").open("wb") as log:
    print(run_confined(["sh", "-c", "exit 7"], own / "program", log))
"""


def test_a_program_starts_where_its_parent_cannot_see_what_the_environment_names(
    tmp_path: Path,
) -> None:
    """The checkout that someone measures in: PYTHONPATH names it, results lie inside."""
    project, own = tmp_path / "project", tmp_path / "own"
    (project / "results").mkdir(parents=True)
    own.mkdir()
    path = os.pathsep.join([str(project), str(Path(__file__).parents[3])])
    found = subprocess.run(
        [sys.executable, "-c", _NESTED, str(project), str(own)],
        # what measures coverage would say that it may not write
        env={**os.environ, "PYTHONPATH": path, "COVERAGE_PROCESS_CONFIG": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.stdout, found.stderr) == ("7\n", "")


def test_a_card_says_what_else_its_decoder_reads(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.bin").write_bytes(b"weights")
    settings = (
        f'encode = ["sh", "-c", "cat {tmp_path}/models/w.bin > $0", "{{bitstream}}"]\n'
        'decode = ["cp", "{bitstream}", "{output}"]\n'
    )
    with pytest.raises(CodecError, match=DENIED):
        build(tmp_path / "codec", settings).encode(PICTURE, ONLY)
    codec = build(tmp_path / "codec", settings, 'reads = ["../models"]')
    assert codec.encode(PICTURE, ONLY).payload == b"weights"
    with pytest.raises(Unavailable, match="wodels is not there; put it there or correct"):
        build(tmp_path / "codec", settings, 'reads = ["wodels"]').check_available()
    with pytest.raises(CardError, match="reads is 7; give a list"):
        build(tmp_path / "codec", settings, "reads = 7")
