"""Completion in a shell: `eval "$(register-python-argcomplete bench)"`; ids come from the cards."""

from __future__ import annotations

import argparse


def complete(parser: argparse.ArgumentParser) -> None:
    """Answers the shell and ends the process."""
    import argcomplete

    groups = (one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    for command in (command for group in groups for command in group.choices.values()):
        for action in command._actions:
            if set(action.option_strings) & {"--codecs", "--codec"} or action.dest == "codec":
                action.completer = _codecs
            elif "--suite" in action.option_strings:
                action.completer = _suites
    argcomplete.autocomplete(parser)


def _codecs(prefix: str, **_: object) -> list[str]:
    """Ids for the last word of a list of codecs."""
    from bench.cards import load_registry

    before, comma, _word = prefix.rpartition(",")
    return [f"{before}{comma}{name}" for name in load_registry().codecs]


def _suites(prefix: str, **_: object) -> list[str]:
    from bench.cards import load_registry

    return list(load_registry().suites())
