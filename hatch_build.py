"""Compiles the loops of the metrics when the package is built; without a C compiler the package is
built without them, and OpenCV stands in."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.tags import platform_tags

SOURCE = Path("bench", "metrics", "loops.c")
LIBRARY = SOURCE.with_name("_loops.so")
OPTIONS = ("-O3", "-ffp-contract=fast", "-fno-math-errno", "-shared", "-fPIC")


class CompiledLoops(BuildHookInterface):  # type: ignore[type-arg]
    """Adds the library to the wheel, which then is one of this platform."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        compiler = shlex.split(os.environ.get("CC", "cc"))
        # a compiler that cannot make code for several processors makes it for one
        if not any(self._compile(compiler, further) for further in ((), ("-DONE_TARGET",))):
            print(
                f"{' '.join(compiler)} did not compile {SOURCE}; OpenCV's filters stand in",
                file=sys.stderr,
            )
            return
        build_data["artifacts"].append(f"/{LIBRARY.as_posix()}")
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{next(platform_tags())}"

    def _compile(self, compiler: list[str], further: tuple[str, ...]) -> bool:
        files = ("-o", str(LIBRARY), str(SOURCE), "-lm")
        try:
            done = subprocess.run(
                [*compiler, *OPTIONS, *further, *files],
                cwd=self.root,
                capture_output=True,
                check=False,
            )
        except OSError:
            return False
        return done.returncode == 0
