"""The lock that lets one process at a time write into a folder of results or of a training."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from bench.errors import StoreError


def lock_folder(folder: Path, holder: str = "another run", option: str = "--out") -> int:
    """Makes the folder and locks it for this process; the lock dies with the process. ``holder`` is
    who else may have it, ``option`` what names another folder."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
        if not os.access(folder, os.W_OK):
            os.close(handle)
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be written: {error.strerror}; choose another {option}"
        ) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreError(
            f"{folder}: {holder} is writing here; wait for it or use another {option}"
        ) from error
    return handle
