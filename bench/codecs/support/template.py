"""Command templates of cards: checked once, filled per task, run without a shell.

Owns placeholders, program look-up, exit states and versions; knows no file format.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bench.codecs.base import Passing
from bench.codecs.support import ffmpeg_binary
from bench.codecs.support.process import describe_failure, last_words
from bench.codecs.support.programs import (
    launch_program,
    named_places,
    places_of_program,
    run_confined,
)
from bench.errors import CardError, CodecError, Unavailable, near_matches
from bench.machine import file_digest
from bench.processes import isolation
from bench.records import Value

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_FFMPEG = "{ffmpeg}"
_PIPE = subprocess.PIPE


def _is_command(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(word, str) for word in value)
    return isinstance(value, str) and bool(value.strip())


COMMAND = Passing('a command such as ["prog", "-q", "{qp}", "{input}", "{bitstream}"]', _is_command)
"""What a command setting may be: words, or one line split as a shell would, without a shell's other
powers."""


@dataclass(frozen=True, slots=True)
class Template:
    """One command of a card. ``codec`` is for messages; ``{ffmpeg}`` is the harness's binary."""

    codec: str
    words: tuple[str, ...]

    def check_placeholders(self, key: str, known: Iterable[str]) -> None:
        """Raises CardError for a placeholder that is not among ``known``."""
        known = {"ffmpeg", *known}
        for name in sorted(self.placeholders):
            if name not in known:
                raise CardError(
                    f"codec {self.codec}: settings.{key} has the unknown placeholder "
                    f"{{{name}}}; {near_matches(name, known)}"
                )

    @property
    def placeholders(self) -> frozenset[str]:
        """The words in braces."""
        return frozenset(_PLACEHOLDER.findall(" ".join(self.words)))

    def program(self) -> str:
        """Path of the program. Raises Unavailable with the cure if it is not installed."""
        name = self.words[0]
        if name == _FFMPEG:
            return ffmpeg_binary.find_ffmpeg()
        found = shutil.which(name)
        if found is None:
            raise Unavailable(
                f"{self.codec}: program {name!r} is not on PATH; install it, or give its full "
                "path in the card"
            )
        return found

    def places(self) -> tuple[Path, ...]:
        """The program with what it needs beside it, and what the card's words name."""
        program = places_of_program(Path(self.program()))
        return (*program, *named_places(self.words[1:]))

    def named_files(self) -> list[Path]:
        """The files that the words behind the program name."""
        paths = (Path(part) for word in self.words[1:] for part in (word, *word.split("=")[1:]))
        return [path.absolute() for path in paths if path.is_file()]

    def fill(self, facts: Mapping[str, Value]) -> list[str]:
        """The arguments: placeholders replaced inside each word, so that a value with spaces or
        shell characters stays one argument."""
        program = self.program()
        facts = {**facts, "ffmpeg": program}
        return [
            program,
            *(_PLACEHOLDER.sub(lambda m: str(facts[m[1]]), word) for word in self.words[1:]),
        ]

    def run(
        self,
        facts: Mapping[str, Value],
        folder: Path,
        reads: Sequence[Path] = (),
        log_file: Path | None = None,
    ) -> str:
        """Runs the command confined to ``folder`` and ``reads``, and returns the end of its output,
        all of which stays in ``log_file`` if one is named.

        Raises CodecError if its exit status is not zero.
        """
        arguments = self.fill(facts)
        with log_file.open("w+b") if log_file else tempfile.TemporaryFile() as log:
            try:
                status = run_confined(arguments, folder, log, reads)
            except OSError as error:
                raise CodecError(f"{self.codec}: {arguments[0]} does not start: {error}") from error
            said = last_words(log)
        if status:
            failure = describe_failure(arguments[0], status, said)
            raise CodecError(f"{self.codec}: {isolation.with_cure(failure)}")
        return said or "it gave no reason"


def parse_template(codec: str, key: str, value: object) -> Template:
    """The template of a card's setting. Raises CardError if it is no command."""
    if value not in COMMAND:
        raise CardError(f"codec {codec}: settings.{key} is {value!r}; give {COMMAND}")
    assert isinstance(value, str | list)
    try:
        words = shlex.split(value) if isinstance(value, str) else value
    except ValueError as error:
        raise CardError(f"codec {codec}: settings.{key}: {error}: {value!r}") from error
    return Template(codec, tuple(words))


@cache
def first_line(arguments: tuple[str, ...], reads: tuple[Path, ...] | None = None) -> str:
    """The first line that a version command prints, on either stream; ``reads`` as below."""
    return next(iter(printed_lines(arguments, reads)), "unknown")


def printed_lines(arguments: tuple[str, ...], reads: tuple[Path, ...] | None = None) -> list[str]:
    """The lines that a version command prints, on either stream, empty ones left out.

    With ``reads`` the command is confined to them as when it codes: for what a card names.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        try:
            if reads is None:
                process = subprocess.Popen(
                    arguments, stdin=subprocess.DEVNULL, stdout=_PIPE, stderr=_PIPE
                )
            else:
                process = launch_program(arguments, Path(folder), reads, stdout=_PIPE, stderr=_PIPE)
            with process:
                try:
                    said, complaint = process.communicate(timeout=60)
                finally:
                    process.kill()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"{arguments[0]} does not tell its version: {error}") from error
    lines = (said + b"\n" + complaint).decode(errors="replace").split("\n")
    return [line.strip() for line in lines if line.strip()]


def program_hash(path: str) -> str:
    """The beginning of a program's sha256: names a build that tells no version."""
    return f"sha256 {file_digest(Path(path))[:16]}"
