"""Completion in a shell: `eval "$(register-python-argcomplete bench)"`; ids come from the cards."""

from __future__ import annotations

import argparse
from collections.abc import Iterable


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process."""
    import argcomplete

    for command in _parsers(parser):
        for action in command._actions:
            if set(action.option_strings) & {"--codecs", "--codec"} or action.dest == "codec":
                action.completer = _codecs  # type: ignore[attr-defined]
            elif "--suite" in action.option_strings:
                action.completer = _suites  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def _parsers(parser: argparse.ArgumentParser) -> Iterable[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _codecs(prefix: str, **_: object) -> list[str]:
    """Ids for the last word of a list of codecs."""
    from bench.cards import load_registry

    before, comma, _word = prefix.rpartition(",")
    return [f"{before}{comma}{name}" for name in load_registry().codecs]


def _suites(prefix: str, **_: object) -> list[str]:
    from bench.cards import load_registry

    return list(load_registry().suites())
