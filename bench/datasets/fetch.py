"""Downloads a data set into the cache with pooch: checksums, progress, resumed transfers.

Knows no data set: what to get and what it must hash to stands in the card.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import sys
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse
from urllib.request import url2pathname

from bench.datasets.locate import cache_folder
from bench.errors import DataError

if TYPE_CHECKING:
    from bench.cards import DataFile, DatasetCard

_TIMEOUT_SECONDS = 30
_BLOCK = 2**16


def fetch(card: DatasetCard, root: Path | None = None) -> Path:
    """Downloads what the card lists and is not there yet; returns the data set's folder.

    ``root`` is the folder to put it into, by default the user's cache. A file counts as there if
    its checksum is right. A transfer that broke off is continued where it stopped. Archives stay
    packed: loaders read them as they are. Raises DataError for data without a public address, a
    failed transfer or a wrong checksum.
    """
    wanted = [file for file in card.files if file.url]
    if not wanted:
        raise DataError(
            f"data set {card.id!r} has nothing to download; "
            + (f"see {card.citation}" if card.citation else "it is generated or comes installed")
        )
    folder = (root or cache_folder()) / card.folders[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: cannot be written: {error.strerror}; give --data") from error
    for number, file in enumerate(wanted, start=1):
        path = folder / file.name
        if not (path.is_file() and _matches(path, file)):
            print(f"{card.id}: {number}/{len(wanted)} {file.name}", file=sys.stderr)
            _download(file, path)
    return folder


def _download(file: DataFile, path: Path) -> None:
    import pooch
    import requests

    assert file.url is not None
    known = f"sha256:{file.sha256}" if file.sha256 else f"md5:{file.md5}" if file.md5 else None
    path.parent.mkdir(parents=True, exist_ok=True)
    pooch.get_logger().setLevel("ERROR")
    try:
        pooch.retrieve(
            file.url,
            known_hash=known,
            fname=path.name,
            path=path.parent,
            downloader=_Resuming(path.with_name(path.name + ".part"), file),
        )
    except requests.RequestException as error:  # some are ValueErrors, too
        reason = "no connection" if isinstance(error, requests.ConnectionError) else error
        raise DataError(_failed(file.url, reason, path)) from error
    except ValueError as error:
        raise DataError(
            f"{file.url}: wrong checksum, expected {known}: the file there has changed or the "
            f"transfer was damaged; run fetch again, or put the right file at {path}"
        ) from error
    except OSError as error:
        raise DataError(_failed(file.url, error, path)) from error


def _failed(url: str, reason: object, path: Path) -> str:
    cure = "check the network" if url.startswith("http") else "check the address"
    return (
        f"{url}: download failed: {reason}; {cure} and run fetch again, or put the file at {path}"
    )


class _Resuming:
    """A downloader for pooch that keeps a broken transfer in ``partial`` and goes on there."""

    def __init__(self, partial: Path, file: DataFile) -> None:
        self._partial, self._file = partial, file

    def __call__(self, url: str, output_file: Any, _pooch: Any, check_only: bool = False) -> None:
        import requests

        if url.startswith("file:"):
            shutil.copyfile(url2pathname(urlparse(url).path), output_file)
            return
        have = self._partial.stat().st_size if self._partial.exists() else 0
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_SECONDS) as response:
            if response.status_code == 416:  # nothing is left: the checksum decides
                response.close()
            else:
                response.raise_for_status()
                resumed = response.status_code == 206
                total = int(response.headers.get("Content-Length", 0))
                _store(response, self._partial, have if resumed else 0, total)
            coding = response.headers.get("Content-Encoding", "identity")
        if coding != "identity" and self._is_wrapped():
            _unwrap(self._partial, coding)
        shutil.move(self._partial, output_file)

    def _is_wrapped(self) -> bool:
        """Whether a transfer that calls itself compressed was: some servers say it of what is
        compressed by itself."""
        if self._file.sha256 or self._file.md5:
            return not _matches(self._partial, self._file)
        return not self._file.name.endswith((".gz", ".tgz"))


def _unwrap(path: Path, coding: str) -> None:
    """Undoes the compression of a transfer."""
    if coding not in ("gzip", "x-gzip"):
        path.unlink()
        raise OSError(f"it was sent as {coding}, which cannot be undone")
    plain = path.with_name(path.name + ".plain")
    try:
        with gzip.open(path) as packed, plain.open("wb") as output:
            shutil.copyfileobj(packed, output)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        path.unlink()
        raise OSError(f"it was sent as gzip and is damaged ({error})") from error
    plain.replace(path)


def _store(response: Any, partial: Path, have: int, total: int) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from urllib3.exceptions import HTTPError

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with (
        partial.open("ab" if have else "wb") as output,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=have + total or None, completed=have)
        received = 0
        try:
            # as it is sent: what the server counts and resumes
            for block in response.raw.stream(_BLOCK, decode_content=False):
                output.write(block)
                received += len(block)
                progress.update(task, advance=len(block))
        except HTTPError as error:
            raise OSError(f"the connection broke after {have + received} bytes") from error
    if total and received < total:
        raise OSError(f"the connection closed after {have + received} of {have + total} bytes")


def _matches(path: Path, file: DataFile) -> bool:
    """Whether the file has its checksum; true where the card gives none."""
    for name, expected in (("sha256", file.sha256), ("md5", file.md5)):
        if expected:
            with path.open("rb") as content:
                return hashlib.file_digest(content, name).hexdigest() == expected
    return True
