"""The worker's side of an adapter that is not ours: builds it from its card and calls its methods.

Runs in the worker process alone, and is the only module that imports what a card names.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from bench.cards import CodecCard, plugins
from bench.codecs.base import Choice, Codec, Range, formats_of
from bench.codecs.build import adapter_class
from bench.codecs.foreign.messages import answer_of, arguments_of
from bench.codecs.support import stopwatch
from bench.codecs.variations import check_values, vary

Reply = tuple[dict[str, Any], list[bytes]]


class Backend:
    """One adapter with its card."""

    def __init__(self) -> None:
        self._card: CodecCard
        self._adapter: type[Codec]
        self._device = "cpu"
        self._codec: Codec | None = None

    def open(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """Imports the adapter, which a plug-in file may hold."""
        self._card, self._device, plugged = pickle.loads(bytes.fromhex(args["context"]))
        plugins.note(plugged)
        plugins.import_module(self._card.adapter.partition(":")[0])
        self._adapter = adapter_class(self._card)
        return {}, []

    def choose(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """What the card becomes by the changes of a codec spec, its values checked."""
        card = self._card
        if args["changes"]:
            card = vary(card, self._adapter, args["changes"], args["spec"])
        check_values(card, self._adapter)
        ladder = [[point.key, point.value] for point in card.ladder]
        settings = {key: card.settings[key] for key in card.settings}
        return {"id": card.id, "title": card.title, "ladder": ladder, "settings": settings}, []

    def describe(self, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """What the class says of itself, and the versions of its plug-in file."""
        parameters = {
            name: (
                ["range", one.low, one.high, one.integer]
                if isinstance(one, Range)
                else ["choice", *one.words]
                if isinstance(one, Choice)
                else [str(one)]
            )
            for name, one in dict(self._adapter.parameters).items()
        }
        module = self._card.adapter.partition(":")[0]
        return {
            "lossless": bool(self.codec.lossless),
            "compared_depth": getattr(self.codec, "compared_depth", lambda: None)(),
            "formats": [*map(str, formats_of(self.codec))],
            "parameters": parameters,
            "plugin": dict(plugins.version(module)),
        }, []

    @property
    def codec(self) -> Codec:
        if self._codec is None:
            check_values(self._card, self._adapter)
            self._codec = self._adapter(self._card, device=self._device)
        return self._codec

    def __getattr__(self, name: str) -> Callable[..., Reply]:
        return partial(self._call, name)

    def _call(self, name: str, args: Mapping[str, Any], blobs: list[bytes]) -> Reply:
        """Any method of the codec."""
        arguments, codec = arguments_of(blobs), self.codec
        start = stopwatch.counted()
        result = getattr(codec, name)(*arguments)
        taken = stopwatch.counted() - start
        answer, found = answer_of(result)
        return answer | {"seconds": {"wall": taken.wall, "cpu": taken.cpu}}, found
