"""Which ffmpeg program is run: the packaged static one unless the user names another."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

from bench.errors import Unavailable

VARIABLE = "BENCH_FFMPEG"


def ffmpeg_binary() -> str:
    """Path of the ffmpeg to run: ``$BENCH_FFMPEG`` (a path, or ``system`` for the one on PATH),
    else imageio-ffmpeg's. Raises Unavailable where there is none."""
    return _resolve(os.environ.get(VARIABLE, ""))


@cache
def _resolve(wanted: str) -> str:
    if wanted == "system":
        found = shutil.which("ffmpeg")
        if found is None:
            raise Unavailable(f"${VARIABLE} is 'system' but no ffmpeg is on PATH; install or unset")
        return found
    if wanted:
        if not Path(wanted).is_file():
            raise Unavailable(f"${VARIABLE} is {wanted!r}, which is no file; correct or unset it")
        return wanted
    import imageio_ffmpeg

    try:
        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise Unavailable(
            f"imageio-ffmpeg brings no ffmpeg for this platform ({error}); install ffmpeg and set "
            f"{VARIABLE}=system"
        ) from error
