"""The worker's side of a network: CompressAI's interface, or a frame at a time with a state.

Stands alone in the worker: Python 3.8, numpy and torch. What a network returns goes back in plain
data; it is packed and counted by the other side.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from .network import Builder, assign, find, mark_of, update
from .plain import Fault, filled, flatten, unflatten
from .samples import Samples

if TYPE_CHECKING:  # what Python 3.8 cannot evaluate
    from collections.abc import Callable, Iterator
    from typing import Any

    Head = dict[str, Any]
    Reply = tuple[Head, list[bytes]]

_BOUND_BITS = 20.0
"""Of a likelihood that is small enough to be a lower bound; CompressAI's is 1e-9."""
_NEAR_BITS = 1e-3
_SIDE = 256
"""Pixels a side of the black frames that warm up and whose operations are counted."""


def _tell(frames: int) -> None:
    """Says in this process's own folder how many frames are coded."""
    with contextlib.suppress(OSError):
        Path(tempfile.gettempdir(), "frames.log").write_text(f"frame={frames}\n")


class Backend:
    """One network at a time: that of the last operating point."""

    def open(self, args: Head, blobs: list[bytes]) -> Reply:
        """Imports the code. ``args["model"]`` are the settings of the card."""
        self.spec: Head = args["model"]
        self.device: str = args.get("device", "cpu")
        self.video = bool(self.spec.get("video"))
        part, ignored = self.spec.get("part", ""), self.spec.get("ignore", [])
        self.builder = Builder(self.spec["model"], part, list(ignored))
        self.network: Any = None
        self._built = self._point = ""
        return {}, []

    def describe(self, args: Head, blobs: list[bytes]) -> Reply:
        return {"torch": torch.__version__}, []

    def load(self, args: Head, blobs: list[bytes]) -> Reply:
        """Makes ``args["point"]`` with the checkpoint ``args["weights"]`` the current one."""
        self._at(args)
        return {"mark": self.mark, "stride": self._stride}, []

    def warm_up(self, args: Head, blobs: list[bytes]) -> Reply:
        """A pass over black frames, so that the first call is no slower than the next."""
        self._at(args)
        if self._forwards:
            # what coding does not call may fail: its estimate will say it
            with contextlib.suppress(Exception), inference():
                self._black_pass(args)()
        return {}, []

    def encode(self, args: Head, blobs: list[bytes]) -> Reply:
        """The nest of what was coded; of a network that codes nothing its pictures and rate."""
        self._at(args)
        samples = self._samples(args)
        with inference():
            frames = samples.tensors(blobs[0])
            if self._codes:
                returned = self.network.compress(self._given(frames), **self._call("compress"))
                coded = self._parts(returned)
            elif self._by_frame:
                coded = self._encoded_frames(frames)
            else:
                found = self._forward(frames)
                rate = bits_of(found.get("likelihoods"))
                if rate["bits"] is None:
                    raise Fault(
                        "values",
                        "the network has no compress, and forward returns no likelihoods but "
                        f"{sorted(found)}; without either there is no rate",
                    )
                return dict(rate), [self._pictures(found, samples)]
        strings: list[bytes] = []
        nest = flatten(coded, strings)
        told = {"mark": self.mark, "stride": self._stride, "by_frame": self._by_frame}
        return {"nest": nest, **told}, strings

    def decode(self, args: Head, blobs: list[bytes]) -> Reply:
        """The samples of what ``encode`` coded; ``threads`` are tried where they are given."""
        self._at(args)
        before = torch.get_num_threads()
        torch.set_num_threads(args.get("threads") or before)
        try:
            with inference():
                coded = unflatten(args["nest"], iter(blobs), self.device)
                decode = self._decoded_frames if self._by_frame else self._decoded
                return {}, [self._pictures(decode(coded), self._samples(args))]
        finally:
            torch.set_num_threads(before)

    def estimate(self, args: Head, blobs: list[bytes]) -> Reply:
        """Bits by the likelihoods of ``forward``; None where it gives none."""
        self._at(args)
        if not self._forwards:
            return dict(bits_of(None)), []
        with inference():
            found = self._forward(self._samples(args).tensors(blobs[0]))
        return dict(bits_of(found.get("likelihoods"))), []

    def complexity(self, args: Head, blobs: list[bytes]) -> Reply:
        """Multiply-accumulates of a pass over black frames, in all and by the network's parts."""
        self._at(args)
        try:
            from torch.utils.flop_counter import FlopCounterMode
        except ImportError:  # before torch 2.1
            return {}, []
        if not self._forwards:
            return {}, []
        forward, counter = self._black_pass(args), FlopCounterMode(display=False)
        try:
            with torch.no_grad(), counter:
                peak = peak_bytes(forward)
        except Exception:  # as in warm_up
            return {}, []
        side, owner = self._samples(args).zeros(_SIDE), type(self.network).__name__ + "."
        shape = (side[0] if isinstance(side, tuple) else side).shape
        return {
            "parameters": sum(each.numel() for each in self.network.parameters()),
            "macs": {
                name.replace(owner, "", 1): sum(found.values()) / 2
                for name, found in counter.get_flop_counts().items()
                if name == "Global" or name.count(".") in (1, 2)
            },
            "pixels": shape[-1] * shape[-2] * (2 if self.video else 1),
            "peak_bytes": peak,
        }, []

    # --- the operating point

    def _at(self, args: Head) -> None:
        """The network of a point, built anew only where another one is needed."""
        key, value = args["point"]
        fields, call = {key: value}, self.spec.get("call", {})
        arguments = filled(self.spec.get("arguments", {}), fields)
        updating = filled(self.spec.get("update", {}), fields)
        wanted = json.dumps([args["weights"], arguments, updating], sort_keys=True)
        if wanted != self._built:
            self.network, self._built, self._point = None, "", ""
            network = self.builder.load(args["weights"], arguments)
            update(network, updating)
            self.network = network.eval().to(self.device)
            self.mark, self._built = mark_of(self.network), wanted
        if self._point != json.dumps(fields):
            for name, word in filled(call.get("set", {}), fields).items():
                assign(self.network, name, word)
            if "point" in call:
                find(call["point"])(self.network, value)
            self._fields, self._point = fields, json.dumps(fields)

    def _call(self, name: str) -> Head:
        """The card's arguments of a method."""
        found: Head = filled(self.spec.get("call", {}).get(name, {}), self._fields)
        return found

    # --- what the network can do

    @property
    def _codes(self) -> bool:
        return self._has("compress", "decompress")

    @property
    def _by_frame(self) -> bool:
        return self.video and not self._codes and self._has("encode", "decode")

    @property
    def _forwards(self) -> bool:
        return "forward" in {name for one in type(self.network).__mro__ for name in vars(one)} and (
            type(self.network).forward is not nn.Module.forward
        )

    def _has(self, *names: str) -> bool:
        return all(callable(getattr(self.network, name, None)) for name in names)

    @property
    def _stride(self) -> int:
        own = getattr(self.network, "downsampling_factor", 128 if self.video else 64)
        return int(self.spec.get("stride") or own)

    def _samples(self, args: Head) -> Samples:
        padding, channels = self.spec.get("padding", "replicate"), self.spec.get("channels", 3)
        return Samples(args, self._stride, padding, channels, self.device)

    def _given(self, frames: list[Any]) -> Any:
        """What a network for clips or for pictures takes."""
        return frames if self.video else frames[0]

    def _forward(self, frames: list[Any]) -> Head:
        found = self.network(self._given(frames), **self._call("forward"))
        return found if isinstance(found, dict) else {"x_hat": found}

    def _black_pass(self, args: Head) -> Callable[[], Any]:
        given = self._given([self._samples(args).zeros(_SIDE)] * (2 if self.video else 1))
        call = self._call("forward")
        return lambda: self.network(given, **call)

    def _parts(self, returned: Any) -> list[Any]:
        """What ``decompress`` needs of what ``compress`` returned: arguments in their order, and a
        table of named ones at the end, which is there wherever the last would be taken for it."""
        wanted = inspect.signature(self.network.decompress)
        if not isinstance(returned, dict):
            several = isinstance(returned, list) and 1 < _required(wanted) == len(returned)
            parts = list(returned) if isinstance(returned, tuple) or several else [returned]
            return [*parts, {}] if isinstance(parts[-1], dict) else parts
        parts = [returned[key] for key in ("strings", "shape") if key in returned]
        rest = list(wanted.parameters)[len(parts) :]
        named = {key: returned[key] for key in rest if key in returned}
        if not parts and not named:
            raise Fault(
                "values",
                f"compress returned {sorted(map(str, returned))}; decompress{wanted} has none",
            )
        return [*parts, named] if named or isinstance(parts[-1], dict) else parts

    def _encoded_frames(self, frames: list[Any]) -> list[Any]:
        coded, state, call = [], None, self._call("encode")
        for place, frame in enumerate(frames):
            returned = self.network.encode(frame, state, **call)
            one, state = _pair("encode", returned)
            coded.append(one)
            _tell(place + 1)
        return coded

    def _decoded_frames(self, coded: list[Any]) -> list[Any]:
        pictures, state, call = [], None, self._call("decode")
        for one in coded:
            picture, state = _pair("decode", self.network.decode(one, state, **call))
            pictures.append(picture)
        return pictures

    def _decoded(self, coded: list[Any]) -> Any:
        named = coded.pop() if isinstance(coded[-1], dict) else {}
        return self.network.decompress(*coded, **named, **self._call("decompress"))

    def _pictures(self, found: Any, samples: Samples) -> bytes:
        """The samples of a picture or of all frames of a clip."""
        if isinstance(found, dict):
            if "x_hat" not in found:
                raise Fault("values", f"the network returns no x_hat, but {sorted(found)}")
            found = found["x_hat"]
        if self.video:
            return b"".join(samples.bytes_of(picture) for picture in found)
        if samples.kind != "yuv420" and isinstance(found, (list, tuple)) and found:
            found, *more = found
            if any(getattr(one, "shape", ()) == getattr(found, "shape", None) for one in more):
                raise Fault("values", "the network returned two pictures; return x_hat alone")
        return samples.bytes_of(found)


def _pair(name: str, returned: Any) -> Any:
    if not isinstance(returned, tuple) or len(returned) != 2:
        raise Fault("values", f"{name}(…, state) returned no pair whose second is the next state")
    return returned


def _required(signature: inspect.Signature) -> int:
    """How many arguments a method takes that have no default."""
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = signature.parameters.values()
    return sum(one.default is one.empty and one.kind in named for one in parameters)


def bits_of(likelihoods: Any) -> dict[str, float | None]:
    """Negative log2 of all likelihoods, however they are nested, and what of it is of those at the
    lower bound, where they have one; None where there are none."""
    found = list(_tensors(likelihoods))
    if not found:
        return {"bits": None, "at_bound": None}
    bits, at_bound = 0.0, 0.0
    for each in found:
        spent = -each.double().log2()
        most = float(spent.max()) if spent.numel() else 0.0
        bits += float(spent.sum())
        if _BOUND_BITS < most < math.inf:
            at_bound += float(spent[spent >= most - _NEAR_BITS].sum())
    return {"bits": bits, "at_bound": at_bound}


def _tensors(nested: Any) -> Iterator[Tensor]:
    if isinstance(nested, Tensor):
        yield nested
    elif isinstance(nested, (dict, list, tuple)):
        for one in nested.values() if isinstance(nested, dict) else nested:
            yield from _tensors(one)


@contextlib.contextmanager
def inference() -> Iterator[None]:
    """No gradients, no TF32, deterministic kernels, and a GPU that has finished at the end; too
    little memory is told as such."""
    cudnn = torch.backends.cudnn
    cudnn.allow_tf32, cudnn.deterministic, cudnn.benchmark = False, True, False
    try:
        with torch.no_grad():
            yield
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.synchronize()
    except (MemoryError, RuntimeError) as error:
        words = ("DefaultCPUAllocator", "CUDA out of memory")
        if not isinstance(error, MemoryError) and not any(word in str(error) for word in words):
            raise
        raise Fault("code", "the network needs more memory than there is") from error


def peak_bytes(forward: Callable[[], Any]) -> int:
    """The most that the tensors of a pass hold at one time, weights not counted."""
    import weakref

    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_flatten

    held = [0, 0]
    count: dict[int, int] = {}

    def drop(key: int, size: int) -> None:
        count[key] -= 1
        held[0] -= 0 if count[key] else size

    class Live(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kw: Any = None) -> Any:
            result = func(*args, **(kw or {}))
            for tensor in tree_flatten(result)[0]:
                if isinstance(tensor, Tensor):
                    storage = tensor.untyped_storage()
                    key, size = storage.data_ptr(), storage.nbytes()
                    held[0] += 0 if count.get(key) else size
                    held[1] = max(held)
                    count[key] = count.get(key, 0) + 1
                    weakref.finalize(tensor, drop, key, size)
            return result

    with Live():  # type: ignore[no-untyped-call]
        forward()
    return held[1]
