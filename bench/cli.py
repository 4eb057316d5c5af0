"""The command line: finds the subcommand, calls it, and turns errors into exit statuses.

A new subcommand is a module like those of ``bench.commands`` and a line of ``COMMANDS``.
"""

from __future__ import annotations

import argparse
import atexit
import errno
import gc
import os
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import NoReturn, Protocol, cast

from bench import __version__
from bench.commands.terminal import print_plainly
from bench.errors import BenchError, plain
from bench.processes.interrupts import StopSignals
from bench.processes.limits import allow_files

COMMANDS = {
    "run": "bench.commands.run",
    "try": "bench.commands.attempt",
    "new": "bench.commands.new",
    "list": "bench.commands.listing",
    "fetch": "bench.commands.fetch",
    "remeasure": "bench.commands.remeasure",
    "vault": "bench.commands.vault",
    "audit": "bench.commands.audit",
    "report": "bench.commands.report",
    "site": "bench.commands.site",
    "bd": "bench.commands.bd",
    "check": "bench.commands.check",
    "doctor": "bench.commands.doctor",
    "train": "bench.commands.train",
}
"""Each subcommand and its module, imported when it is called: a Subcommand."""

FAILED, BAD_USAGE = 1, 2
_ROOM = "make room, then give the same command again"
_ACCESS = "change its permissions or give another place"
_OTHER = "give another path"
_FILES = "allow more open files: ulimit -n 4096"
_CURES = {
    errno.ENOSPC: _ROOM, errno.EDQUOT: _ROOM, errno.EFBIG: _ROOM,
    errno.EACCES: _ACCESS, errno.EPERM: _ACCESS, errno.EROFS: _ACCESS,
    errno.ENAMETOOLONG: _OTHER, errno.ENOTDIR: _OTHER, errno.EISDIR: _OTHER, errno.ELOOP: _OTHER,
    errno.EEXIST: _OTHER, errno.EMFILE: _FILES, errno.ENFILE: _FILES,
}  # fmt: skip
"""What to do about errors of the machine that no command expects where they come up."""


class Subcommand(Protocol):
    """What the module of a subcommand has. It imports next to nothing before it is called: the
    list of all subcommands imports every one."""

    SUMMARY: str
    """A line of that list."""
    EXAMPLES: tuple[str, ...]
    """Command lines for its help, without ``bench`` and its name."""

    def add_options(self, parser: argparse.ArgumentParser, /) -> None: ...

    def call(self, options: argparse.Namespace, /) -> int:
        """Does what the command line asks for; returns the exit status."""
        ...


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command line; returns the exit status: 0 done, 1 failed tasks or checks, 2 usage."""
    print_plainly(sys.stdout, sys.stderr)
    atexit.register(_end_quickly)
    words = sys.argv[1:] if arguments is None else arguments
    completing = "_ARGCOMPLETE" in os.environ
    parser = make_parser(None if completing else words)
    if completing:
        from bench.commands.completion import complete

        complete(parser)
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        options.name_unknown(unknown)
    with StopSignals(last=True) as stop:
        return _carry_out(options, stop)


def _end_quickly() -> None:
    """Spares the interpreter its last walk over every object, a tenth of a second after a run. Not
    beside torch, whose compiler takes what was not walked for leaks and lists it."""
    if "torch" not in sys.modules:
        gc.freeze()


def _carry_out(options: argparse.Namespace, stop: StopSignals) -> int:
    try:
        with stop.interrupting():
            allow_files()
            _load_plugins(getattr(options, "plugin", ()))
            status: int = options.call(options)
            if sys.stdout is not None:  # what a pipe still holds
                sys.stdout.flush()
        return status
    except BenchError as error:
        _complain(str(error))
        return BAD_USAGE
    except KeyboardInterrupt:
        _complain("stopped")
        return FAILED
    except BrokenPipeError:
        from bench.commands.console import silence

        silence(sys.stdout.fileno())
        return FAILED
    except OSError as error:
        if error.errno not in _CURES:  # a mistake of ours
            raise
        where = f"{error.filename}: " if error.filename else ""
        _complain(f"{where}{error.strerror}; {_CURES[error.errno]}")
        return BAD_USAGE


def _complain(sentence: str) -> None:
    print(f"bench: {plain(' '.join(sentence.split()))}", file=sys.stderr)


def _load_plugins(paths: Iterable[Path]) -> None:
    if paths:
        from bench.cards import plugins

        for path in paths:
            plugins.load(path)


class _Parser(argparse.ArgumentParser):
    """Says a usage error in one line, as all errors are said."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_USAGE, f"{self.prog}: {plain(message)}; see {self.prog} --help\n")

    def name_unknown(self, words: Sequence[str]) -> NoReturn:
        """Names words of the command line that are no option of this subcommand."""
        option = next((word for word in words if word.startswith("-")), "").partition("=")[0]
        if not option:
            self.error(f"takes no {' '.join(words)!r}")
        near = get_close_matches(option, self._option_string_actions, n=1, cutoff=0.75)
        self.error(f"no option {option}" + (f"; did you mean {near[0]}?" if near else ""))


def make_parser(words: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of all subcommands; for a command line of these ``words`` with no more than it
    asks for, as some options take a while to gather."""
    parser = _Parser(
        prog="bench",
        description="Rate-distortion benchmarks of learned and classical image and video codecs.",
        epilog="Start with: python -m bench run --suite starter",
    )
    parser.add_argument("--version", action="version", version=f"bench {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    named = words[0] if words and words[0] in COMMANDS else None
    for name in [named] if named else COMMANDS:
        subcommand = cast("Subcommand", import_module(COMMANDS[name]))
        command = commands.add_parser(
            name, help=subcommand.SUMMARY, formatter_class=argparse.RawDescriptionHelpFormatter,
            description=f"{subcommand.SUMMARY[0].upper()}{subcommand.SUMMARY[1:]}.",
            epilog="\n  ".join(["examples:", *(f"bench {name} {e}" for e in subcommand.EXAMPLES)]),
        )  # fmt: skip
        if words is None or name in words:
            subcommand.add_options(command)
        command.set_defaults(call=subcommand.call, name_unknown=command.name_unknown)
    return parser
