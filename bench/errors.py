"""The exceptions of the harness; every message says what, where, the value seen and what to do.

::

    BenchError
    ├── UsageError        the command line or a card is wrong: exit status 2
    │   ├── CardError     a card cannot be read or holds a value that is not allowed
    │   └── DataError     an input is missing, corrupt or of a kind the harness refuses
    ├── Unavailable       a binary, weight file or device is missing: the task is skipped
    ├── Unsupported       this codec cannot code this input: the task is skipped
    ├── CodecError        an encoder or decoder failed: the task is failed
    │   └── BitstreamError  a payload is truncated, corrupt or foreign
    └── StoreError        a results folder cannot be written or does not belong to this run
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NAMED = 24
_LONGEST = 80
# control characters but for the end of a line, marks that turn the direction of text, and the
# surrogates by which Python writes bytes that are no UTF-8
_UNSEEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
FORMULA = ("=", "+", "-", "@")
"""What a cell of a table begins with that a spreadsheet takes for a formula."""


class BenchError(Exception):
    """Base of all errors that the command line prints without a traceback."""


class UsageError(BenchError):
    """The command line, a card or an input is wrong; nothing was measured."""


class CardError(UsageError):
    """A codec or data set card cannot be read or holds a value that is not allowed."""


class DataError(UsageError):
    """An input file or data set is missing, corrupt or of a kind the harness refuses."""


class Unavailable(BenchError):
    """Something on this machine is missing; the message names it and the cure."""


class Unsupported(BenchError):
    """The codec cannot code an input of this size, layout or kind."""


class CodecError(BenchError):
    """An encoder or decoder failed on one task."""


class BitstreamError(CodecError):
    """A payload is truncated, corrupt or was written by another codec."""


class StoreError(BenchError):
    """A results folder cannot be written, is in use or belongs to another run."""


def near_matches(name: str, known: Iterable[str]) -> str:
    """The sentence that ends an unknown-name error: close spellings, else the names, of many the
    first."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"did you mean {' or '.join(close)}?"
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"known: {', '.join(names[:_NAMED])}{more}" if names else "none is known"


def shown(value: object) -> str:
    """A value as messages show it: of a long text or number not all."""
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return f"of {value.bit_length()} bits"
    text = str(value) or "''"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def plain(text: str) -> str:
    """A text without characters that act on a terminal: they are written out, as in ``\\x1b``."""
    return _UNSEEN.sub(_written_out, text)


def _written_out(match: re.Match[str]) -> str:
    number = ord(match[0])
    if 0xDC80 <= number <= 0xDCFF:  # a byte of a file's name
        number -= 0xDC00
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def as_cell(text: str) -> str:
    """A text as one line of a table: plain, and no formula."""
    line = plain(" ".join(text.split()))
    return f"'{line}" if line.startswith(FORMULA) else line
