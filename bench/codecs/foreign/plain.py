"""Values of a network's stream as JSON and blobs, and a card's words with a point's value in them.

Stands alone in the worker: Python 3.8, numpy and torch.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

if TYPE_CHECKING:  # what Python 3.8 cannot evaluate
    from collections.abc import Iterator
    from typing import Any

_FIELD = re.compile(r"\{(\w+)\}")
_SHAPE_LENGTH = 8
"""The most numbers of an array that is taken for a shape."""
_LARGEST = 1 << 60


class Fault(Exception):
    """A failure with its kind: import, arguments, weights, unsupported, values or code."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def short(error: BaseException) -> str:
    """Type and message of an exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


def flatten(value: Any, blobs: list[bytes]) -> Any:
    """``value`` as JSON can hold it; bytes and the samples of arrays go to ``blobs``. Short rows of
    whole numbers, as which networks give shapes, become tuples. Raises Fault for what no stream can
    hold."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        blobs.append(bytes(value))
        return {"bytes": 1}
    if isinstance(value, int) and abs(value) >= _LARGEST:
        raise Fault("values", f"compress returned a number of {value.bit_length()} bits")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise Fault("values", f"compress returned a table with the key {odd[0]!r}, no text")
        return {"table": [[str(key), flatten(entry, blobs)] for key, entry in value.items()]}
    if isinstance(value, list):
        return {"list": [flatten(entry, blobs) for entry in value]}
    if isinstance(value, tuple):
        return {"tuple": [flatten(entry, blobs) for entry in value]}
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = np.asarray(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "iufb":
        if value.dtype.kind in "iu" and value.ndim == 0:
            return int(value)
        if value.dtype.kind in "iu" and value.ndim == 1 and value.size <= _SHAPE_LENGTH:
            return {"tuple": value.tolist()}
        blobs.append(np.ascontiguousarray(value).tobytes())
        return {"array": [value.dtype.str, list(value.shape)]}
    raise Fault(
        "values",
        f"compress returned a {type(value).__name__} ({str(value)[:40]}), which no stream holds; "
        "return byte strings, numbers, text and arrays of numbers, in lists and tables",
    )


def unflatten(tree: Any, blobs: Iterator[bytes], device: str) -> Any:
    """What ``flatten`` was given; arrays as tensors on ``device``."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inside),) = tree.items()
    if kind == "bytes":
        return next(blobs)
    if kind == "table":
        return {key: unflatten(entry, blobs, device) for key, entry in inside}
    if kind == "array":
        array = np.frombuffer(bytearray(next(blobs)), inside[0]).reshape(inside[1])
        return torch.from_numpy(array).to(device)
    entries = [unflatten(entry, blobs, device) for entry in inside]
    return entries if kind == "list" else tuple(entries)


def filled(template: Any, fields: dict[str, Any]) -> Any:
    """A card's value with ``{name}`` replaced; text that is one placeholder keeps its type."""
    if isinstance(template, dict):
        return {key: filled(value, fields) for key, value in template.items()}
    if isinstance(template, list):
        return [filled(value, fields) for value in template]
    if not isinstance(template, str):
        return template
    whole = _FIELD.fullmatch(template)
    if whole:
        return fields.get(whole.group(1), template)
    return _FIELD.sub(lambda found: str(fields.get(found.group(1), found.group(0))), template)
