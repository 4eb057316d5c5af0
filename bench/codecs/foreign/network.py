"""A network of anybody's: found by the words of a card, built, and given its checkpoint.

Stands alone in the worker. What the network holds is compared with the checkpoint, whatever its
class says of the loading; never guesses between two tables of weights that fit.
"""

from __future__ import annotations

import fnmatch
import hashlib
import importlib
import json
import pickle
import re
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from .plain import Fault, short

if TYPE_CHECKING:  # what Python 3.8 cannot evaluate
    from collections.abc import Iterator, Mapping
    from typing import Any

    State = Mapping[str, Tensor]

_KNOWN_PARTS = ("network", "state_dict", "model_state_dict", "model", "net", "ema")
"""Where training scripts keep weights; looked at before any other name."""
_PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and torch.compile put before every name."""
_TABLES = ("_quantized_cdf", "_offset", "_cdf_length", "scale_table")
"""Buffers of CompressAI's entropy models, which ``update`` makes."""
_REFUSED_CLASS = re.compile(r"(?:GLOBAL|[Cc]lass) ([\w.]+)")
_LISTED = 3


def find(word: str) -> Any:
    """What ``module:name`` names. Whatever an import raises passes through."""
    name, _, attribute = word.partition(":")
    module = importlib.import_module(name)
    found = getattr(module, attribute, None)
    if not callable(found):
        where = getattr(module, "__file__", None) or "a folder without __init__.py"
        raise Fault("import", f"{name} ({where}) has no class or function {attribute}")
    return found


def read_states(path: str) -> dict[str, State]:
    """The tables of tensors in a checkpoint by their place in it, such as ``state_dict``; never
    unpickles code, where torch can do without."""
    try:
        content = _content(path)
    except pickle.UnpicklingError as error:
        found = _REFUSED_CLASS.search(str(error))
        if not found:
            raise _unreadable(path, error) from error
        raise Fault(
            "weights",
            f"{path} holds the class {found.group(1)}, and unpickling it runs code; save tensors "
            "alone: torch.save(network.state_dict(), FILE)",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise _unreadable(path, error) from error
    states = dict(_states("", content))
    if not states:
        raise Fault("weights", f"{path} holds no table of tensors; save network.state_dict()")
    return states


def _unreadable(path: str, error: Exception) -> Fault:
    return Fault("weights", f"{path} is no readable PyTorch checkpoint ({short(error)})")


def _content(path: str) -> Any:
    if path.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(path)
    major, minor = re.findall(r"\d+", torch.__version__)[:2]
    safe = (int(major), int(minor)) >= (1, 13)
    return torch.load(path, map_location="cpu", **({"weights_only": True} if safe else {}))


def _states(place: str, content: Any) -> Iterator[tuple[str, State]]:
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        return
    if content and all(isinstance(value, Tensor) for value in content.values()):
        yield place, _without_prefix(content)
        return
    for key in sorted(content, key=lambda key: key not in _KNOWN_PARTS):
        yield from _states(f"{place}.{key}" if place else key, content[key])


def _without_prefix(state: State) -> State:
    for prefix in _PREFIXES:
        while all(key.startswith(prefix) for key in state):
            state = {key[len(prefix) :]: value for key, value in state.items()}
    return state


def _renamed(state: State) -> State:
    """With the names of CompressAI's older releases brought up to date, where it is installed."""
    try:
        from compressai.zoo.pretrained import load_pretrained
    except ImportError:
        return state
    return dict(load_pretrained(state))


class Builder:
    """Builds the networks of one card from checkpoints.

    ``part`` names the table of a checkpoint that has several, ``ignored`` are patterns of names
    that may differ.
    """

    def __init__(self, model: str, part: str, ignored: list[str]) -> None:
        self.model, self.part, self.ignored = model, part, ignored
        self.make = find(model)

    def load(self, path: str, arguments: dict[str, Any]) -> nn.Module:
        """The network with the tensors of a checkpoint. Raises Fault, listing names that are
        missing or unexpected."""
        states = read_states(path)
        if self.part and self.part not in states:
            raise Fault("weights", f"{path} has no part {self.part!r} but {sorted(states)}")
        found, reasons = {}, []
        for place in [self.part] if self.part else states:
            network, why = self._built(states[place], arguments)
            renamed = _renamed(states[place]) if network is None else states[place]
            if network is None and renamed.keys() != states[place].keys():
                network, _ = self._built(renamed, arguments)
            if network is None:
                reasons.append(why)
            else:
                found[place] = network
        if len(found) > 1:
            raise Fault(
                "weights",
                f"{path} holds {' and '.join(found)}, which both fit; name one in the card: "
                f"part = {json.dumps(min(found))}",
            )
        if not found:
            raise Fault(
                "weights",
                f"{path} does not fit {self.model} with arguments {arguments}: {reasons[0]}; "
                'change settings.arguments or weights, or name what may differ: ignore = "NAME*"',
            )
        return next(iter(found.values()))

    def _built(self, state: State, arguments: dict[str, Any]) -> tuple[nn.Module | None, str]:
        """The network with these tensors, or why there is none: by the class's own
        ``from_state_dict`` where that works, else by its arguments and a strict load."""
        own, before = getattr(self.make, "from_state_dict", None), ""
        if callable(own) and not arguments:
            try:
                network = own(dict(state))
                if isinstance(network, nn.Module) and not self.differences(network, state):
                    return network, ""
            except Exception as error:  # many classes inherit one that is not theirs
                _pass_on(error)
                before = f"; its from_state_dict: {short(error)}"
        try:
            network = self.make(**arguments)
        except TypeError as error:
            return None, short(error) + before
        if not isinstance(network, nn.Module):
            return None, f"it gives a {type(network).__name__}, not a torch.nn.Module"
        raised = ""
        kept = {key: value for key, value in state.items() if self._counts(key, self.ignored)}
        if not kept:
            return None, f"ignore = {' '.join(self.ignored)!r} leaves nothing of the checkpoint"
        try:
            network.load_state_dict(kept, **({"strict": False} if self.ignored else {}))
        except Exception as error:  # whatever a class of anybody's raises
            _pass_on(error)
            raised = short(error)
        why = self.differences(network, state)
        if why.startswith("it does not take over") and raised:
            why = raised
        return (None, why + before) if why else (network, "")

    def differences(self, network: nn.Module, state: State) -> str:
        """How the network differs from the tensors that it was given: in names, or in values."""
        own, ignored = network.state_dict(), list(self.ignored)
        if callable(getattr(network, "update", None)):
            ignored += ["*" + table for table in _TABLES]
        missing = [key for key in own if key not in state and self._counts(key, ignored)]
        unexpected = [key for key in state if key not in own and self._counts(key, ignored)]
        shared = [key for key in state if key in own and self._counts(key, ignored)]
        said = [f"missing in the checkpoint: {_listed(missing)}"] if missing else []
        said += [f"unknown to the network: {_listed(unexpected)}"] if unexpected else []
        if not said and (wrong := [key for key in shared if not _same(own[key], state[key])]):
            said = [f"it does not take over {_listed(wrong)}"]
        return "; ".join(said)

    @staticmethod
    def _counts(key: str, ignored: list[str]) -> bool:
        return not any(fnmatch.fnmatchcase(key, pattern) for pattern in ignored)


def _same(own: Tensor, given: Tensor) -> bool:
    if own.shape != given.shape:
        return False
    own, given = own.detach().cpu(), given.to(own.dtype).cpu()
    return torch.equal(own, given) or bool(torch.allclose(own, given, 0, 0, equal_nan=True))


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _pass_on(error: Exception) -> None:
    """Raises an error again that says there is no GPU: it is no mistake of a card."""
    text = str(error).lower()
    if "cuda" in text or "nvidia driver" in text:
        raise error


def update(network: nn.Module, given: dict[str, Any]) -> None:
    """Makes the coding tables: by ``update`` of the network, or by a function of the card."""
    given = dict(given)
    word = given.pop("function", None)
    own = getattr(network, "update", None)
    try:
        if word is not None:
            find(word)(network, **given)
        elif callable(own):
            own(**given)
    except Exception as error:  # whatever a network of anybody's raises
        _pass_on(error)
        raise Fault(
            "arguments",
            f"{word or 'update()'} failed ({short(error)}); give arguments, or a function that "
            "takes the network, in [settings.update]",
        ) from error


def assign(network: nn.Module, name: str, value: Any) -> None:
    """Sets an attribute that is there, such as ``q_scale`` or ``g_a.gain``; a tensor is filled."""
    owner: Any = network
    *parents, last = name.split(".")
    for part in parents:
        owner = getattr(owner, part, None)
    if not hasattr(owner, last):
        raise Fault("arguments", f"call.set names {name}, which the network does not have")
    present = getattr(owner, last)
    if isinstance(present, Tensor):
        with torch.no_grad():
            present.copy_(torch.as_tensor(value, dtype=present.dtype).expand_as(present))
    else:
        setattr(owner, last, value)


def mark_of(network: nn.Module) -> str:
    """Eight digits that stand for all weights and tables of a network."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        tensor = tensor.detach().cpu()
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        digest.update(np.ascontiguousarray(tensor.numpy()).tobytes())
    return digest.hexdigest()[:8]
