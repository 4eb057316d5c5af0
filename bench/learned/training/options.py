"""``[training.options]`` of a card, as the task that they belong to reads them: typed, or refused
with the place in the card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.errors import CardError


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one network. ``where`` is the table's place, for messages.

    A key without a default that is absent, and a value of another type, is a CardError.
    """

    where: str
    values: Mapping[str, object]

    def whole(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        value = self._value(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong(key, value, "a whole number")

    def number(self, key: str, default: float | None = None) -> float:
        """A number."""
        value = self._value(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        raise self._wrong(key, value, "a number")

    def flag(self, key: str, default: bool = False) -> bool:
        """true or false."""
        value = self._value(key, default)
        if isinstance(value, bool):
            return value
        raise self._wrong(key, value, "true or false")

    def word(self, key: str, words: Sequence[str], default: str | None = None) -> str:
        """One of ``words``."""
        value = self._value(key, default)
        if isinstance(value, str) and value in words:
            return value
        raise self._wrong(key, value, " or ".join(words))

    def sizes(self, key: str) -> dict[str, int]:
        """A table of whole numbers, empty where there is none: arguments of a network."""
        value = self._value(key, {})
        if isinstance(value, Mapping):
            inner = Options(f"{self.where}.{key}", value)
            return {name: inner.whole(name) for name in value}
        raise self._wrong(key, value, "a table of whole numbers")

    def _value(self, key: str, default: object) -> object:
        value = self.values.get(key, default)
        if value is None:
            raise CardError(f"{self.where}: {key} is missing; add it")
        return value

    def _wrong(self, key: str, value: object, wanted: str) -> CardError:
        return CardError(f"{self.where}: {key} is {value!r}; give {wanted}")
