"""Downloads against a local server: checksums, resumed transfers, failures."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.cards import DataFile, DatasetCard
from bench.datasets.fetch import fetch
from bench.errors import DataError

_CONTENT = bytes(range(256)) * 1000


class _Handler(http.server.BaseHTTPRequestHandler):
    requests: list[str | None] = []  # noqa: RUF012
    break_after: int | None = None
    coding = ""

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.requests.append(wanted)
        if not self.path.startswith("/data/"):
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if start >= len(_CONTENT):
            self.send_error(416)
            return
        body = _CONTENT[start:]
        self.send_response(206 if wanted else 200)
        if self.coding:
            assert self.headers["Accept-Encoding"] == "identity"
            body = body if self.path.endswith(".gz") else gzip.compress(body)
            self.send_header("Content-Encoding", self.coding)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stop, type(self).break_after = type(self).break_after, None
        self.wfile.write(body[:stop])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    _Handler.requests = []
    _Handler.break_after = None
    _Handler.coding = ""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def _card(url: str | None, sha256: str | None = None) -> DatasetCard:
    file = DataFile("one.bin", url, sha256 or hashlib.sha256(_CONTENT).hexdigest())
    return DatasetCard("toy", Path("datasets/toy.toml"), "Toy", "a:b", "image", files=(file,),
                       folders=("toy",))  # fmt: skip


def test_downloads_once(server: str, tmp_path: Path) -> None:
    card = _card(f"{server}/data/one.bin")
    folder = fetch(card, tmp_path)
    assert folder == tmp_path / "toy"
    assert (folder / "one.bin").read_bytes() == _CONTENT
    fetch(card, tmp_path)
    assert _Handler.requests == [None]


def test_a_broken_transfer_is_continued(server: str, tmp_path: Path) -> None:
    card = _card(f"{server}/data/one.bin")
    _Handler.break_after = 100_000
    with pytest.raises(DataError, match="run fetch again"):
        fetch(card, tmp_path)
    assert not (tmp_path / "toy" / "one.bin").exists()
    fetch(card, tmp_path)
    assert _Handler.requests[0] is None
    assert _Handler.requests[1] in {f"bytes={have}-" for have in range(1, 100_001)}
    assert (tmp_path / "toy" / "one.bin").read_bytes() == _CONTENT
    assert not list((tmp_path / "toy").glob("*.part"))


def test_wrong_checksum(server: str, tmp_path: Path) -> None:
    card = _card(f"{server}/data/one.bin", sha256="0" * 64)
    with pytest.raises(DataError, match="wrong checksum, expected sha256:000"):
        fetch(card, tmp_path)
    assert not (tmp_path / "toy" / "one.bin").exists()


def test_a_damaged_file_is_fetched_again(server: str, tmp_path: Path) -> None:
    card = _card(f"{server}/data/one.bin")
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "one.bin").write_bytes(b"damaged")
    fetch(card, tmp_path)
    assert (tmp_path / "toy" / "one.bin").read_bytes() == _CONTENT


def test_no_network_and_no_such_file(server: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="download failed: no connection; check the network"):
        fetch(_card("http://127.0.0.1:9/data/one.bin"), tmp_path)
    with pytest.raises(DataError, match=r"download failed.*404"):
        fetch(_card(f"{server}/elsewhere"), tmp_path)


@pytest.mark.parametrize("name", ["one.bin", "one.bin.gz"])
@pytest.mark.parametrize("known", [True, False])
def test_what_a_server_compresses_is_what_it_was(
    server: str, tmp_path: Path, name: str, known: bool
) -> None:
    """A server that calls a .gz file a compressed transfer of something else, as many do."""
    _Handler.coding = "gzip"
    sha = hashlib.sha256(_CONTENT).hexdigest() if known else None
    card = DatasetCard("toy", Path("toy.toml"), "Toy", "a:b", "image", folders=("toy",),
                       files=(DataFile(name, f"{server}/data/{name}", sha),))  # fmt: skip
    fetch(card, tmp_path)
    assert [path.name for path in (tmp_path / "toy").iterdir()] == [name]
    assert (tmp_path / "toy" / name).read_bytes() == _CONTENT


def test_a_coding_that_nobody_asked_for_is_named(server: str, tmp_path: Path) -> None:
    _Handler.coding = "br"
    with pytest.raises(DataError, match="sent as br, which cannot be undone"):
        fetch(_card(f"{server}/data/one.bin"), tmp_path)


def test_addresses_of_files(tmp_path: Path) -> None:
    source = tmp_path / "a file.bin"
    source.write_bytes(_CONTENT)
    folder = fetch(_card(source.as_uri()), tmp_path)
    assert (folder / "one.bin").read_bytes() == _CONTENT
    source.unlink()
    (folder / "one.bin").unlink()
    with pytest.raises(DataError, match=r"No such file.*check the address"):
        fetch(_card(source.as_uri()), tmp_path)
    with pytest.raises(DataError, match="download failed: No connection adapters"):
        fetch(_card("gopher://there/one.bin"), tmp_path)


def test_nothing_to_download_and_nowhere_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'toy' has nothing to download"):
        fetch(_card(None), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        fetch(_card("http://127.0.0.1:9/data/one.bin"), tmp_path / "file")
