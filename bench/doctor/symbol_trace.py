"""Notes every symbol that an entropy decoder gives, in a process that does nothing else.

Replaces functions of the coders: no process that measures may import this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

_symbols: list[NDArray[np.int64]] = []


def start() -> None:
    """From now on; before any codec is imported, since codecs take these functions by name."""
    from bench.entropy import coding, rans

    for module, name in ((coding, "unpack_fixed"), (coding, "inflate"), (rans, "decode"),
                         (rans.Reader, "take")):  # fmt: skip
        setattr(module, name, _noting(getattr(module, name)))
    _trace_constriction()


def _trace_constriction() -> None:
    """Its coder cannot be inherited from: one stands in front of it."""
    import constriction

    stack = constriction.stream.stack

    plain = stack.AnsCoder

    class Noting:
        def __init__(self, *arguments: Any) -> None:
            self._coder = plain(*arguments)
            self.decode = _noting(self._coder.decode)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._coder, name)

    stack.AnsCoder = Noting


@cache
def trace_compressai() -> None:
    """The same for CompressAI's coder, before one of its networks is built: its import takes
    seconds, which no other codec needs."""
    import compressai.models
    from compressai import ans

    plain = ans.RansDecoder

    class Noting(plain):  # type: ignore[misc, valid-type]
        decode_stream = _noting(plain.decode_stream)
        decode_with_indexes = _noting(plain.decode_with_indexes)

    for module in list(sys.modules.values()):
        if getattr(module, "RansDecoder", None) is plain:
            module.RansDecoder = Noting  # type: ignore[attr-defined]
    assert compressai.models


def _noting(decode: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*arguments: Any, **named: Any) -> Any:
        found = decode(*arguments, **named)
        _symbols.append(np.asarray(found, np.int64).reshape(-1))
        return found

    return noted


def taken() -> NDArray[np.int64]:
    """The symbols since the last call, in the order in which they were decoded."""
    found = np.concatenate(_symbols) if _symbols else np.empty(0, np.int64)
    _symbols.clear()
    return found
