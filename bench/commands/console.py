"""The Rich console of all commands: shows no character that acts on a terminal, and goes on with
the work when nobody reads any more, as behind ``| head``."""

from __future__ import annotations

import os
from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bench.errors import plain


class PlainConsole(Console):
    """A console for texts of anybody: names of files, reasons, titles."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for part in super().render(renderable, options):
            yield part if part.control else Segment(plain(part.text), part.style)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        silence(self.file.fileno())


def silence(descriptor: int) -> None:
    """Drops what is written to a pipe that nobody reads, instead of an error at each line."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)
