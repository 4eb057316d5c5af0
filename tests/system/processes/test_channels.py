"""An encoder leaves nothing to its decoder but the payload, whatever it tries."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.codecs.support.programs import launch_program
from bench.processes import isolation
from tests.system.processes.channels import CHANNELS

SECRET = b"\x53ecret-7"
SCRIPT = Path(__file__).with_name("channels.py")
# what these would change is not the test's, so that no control run is possible
NO_CONTROL = {
    *("host name", "domain name", "core pattern", "remounted", "outside", "mount name"),
    *("control group", "service"),
}
NAMES = [name.replace(str(SCRIPT.parent), "beside") for name in CHANNELS]

pytestmark = pytest.mark.skipif(
    isolation.describe() != isolation.ISOLATED, reason=isolation.describe()
)


class Play:
    """A script in a folder that both programs read, and a folder of its own for each of them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.script = folder / "codec" / "channels.py"
        self.folders = {name: folder / name for name in ("put", "get", "home", "codec")}
        for place in self.folders.values():
            place.mkdir()
        shutil.copy(SCRIPT, self.script)
        (self.folders["put"] / "secret").write_bytes(SECRET)
        monkeypatch.setenv("HOME", str(self.folders["home"]))
        self.kept = os.open(folder / "kept", os.O_RDWR | os.O_CREAT)
        os.set_inheritable(self.kept, True)
        monkeypatch.setenv("CHANNEL", str(self.kept))

    def words(self, job: str, name: str) -> list[str]:
        name = name.replace("beside", str(self.script.parent))
        return [sys.executable, "-I", "-S", str(self.script), job, name, "secret", "out"]

    def isolated(self, job: str, name: str) -> int:
        """The exit status."""
        process = launch_program(
            self.words(job, name), self.folders[job], (), stdout=subprocess.DEVNULL
        )
        try:
            return process.wait()
        finally:
            isolation.end(process)

    def together(self, name: str) -> int:
        """The exit status of ``get`` where both are children of one process."""
        line = 'cd "$1"; shift; "$@" >&2 && cd ../get && set -- "$@" && eval "$GET"'
        get = " ".join(f"'{word}'" for word in self.words("get", name))
        process = subprocess.Popen(
            ["sh", "-c", line, "sh", str(self.folders["put"]), *self.words("put", name)],
            env={**os.environ, "GET": get},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[self.kept],
        )
        status = process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)
        return status


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    made = Play(tmp_path, monkeypatch)
    yield made
    os.close(made.kept)


@pytest.mark.parametrize("name", NAMES)
def test_a_secret_does_not_arrive(play: Play, name: str) -> None:
    assert play.isolated("put", name) == 0
    assert (play.folders["put"] / "out").read_bytes() == b"8 bytes."
    assert play.isolated("get", name) == 1
    assert not (play.folders["get"] / "out").exists()
    if name not in NO_CONTROL:
        # the same programs side by side pass it on, or the test above proves nothing
        if play.together(name):
            pytest.skip("this system does not have the channel")
        found = (play.folders["get"] / "out").read_bytes().rstrip(b"\0")
        assert SECRET.startswith(found) or name == "priority"
