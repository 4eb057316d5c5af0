"""Variations of a card: what a user writes behind a codec's id becomes settings and a ladder.

Checks names and values, a user's and a card's, against the adapter's parameters; builds no codec.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bench.cards.codec import ONLY
from bench.cards.codec_specs import parse_value, split_values, titled
from bench.cards.toml import label
from bench.codecs.base import ANY_LADDER, Allowed, AnyValue, Choice, same_value
from bench.errors import CardError, UsageError, near_matches, shown
from bench.records import CodecName, Point, Value, is_number

if TYPE_CHECKING:
    from bench.cards import CodecCard
    from bench.codecs.base import Codec

_EXACT = 2**53
"""Above it not every whole number is a float."""


def vary(card: CodecCard, adapter: type[Codec], changes: Mapping[str, str], word: str) -> CodecCard:
    """The card with settings and ladder as ``changes`` say, which the user wrote in ``word``.

    The id names the settings in order, before them the ladder's key where it is not the card's:
    one id has one curve, and that has one key. Equal values have one spelling. Raises UsageError
    naming the word.
    """
    where, own = f"codec {shown(word)}", _own_key(card)
    keys = {*(ladder_keys(adapter) or ()), *([own] if own else ())}
    given = [key for key in changes if key in keys]
    if len(given) > 1:
        raise UsageError(f"{where}: {' and '.join(given)} exclude one another; give one of them")
    ladder, settings, words, titles = card.ladder, dict(card.settings), [], []
    if given and given[0] != own:
        words.append(given[0])
        titles.append(f"{given[0]} instead of {own}" if own else given[0])
    for key, text in sorted(changes.items()):
        allowed = _allowed(adapter.parameters, key, keys)
        if allowed is None:
            known = {*adapter.parameters, *keys} - {ANY_LADDER}
            raise UsageError(f"{where}: unknown setting {key!r}; {near_matches(key, known)}")
        if key in keys:
            beside = [point.value for point in card.ladder] if key == own else []
            values = [_point_value(where, key, one, allowed, beside) for one in split_values(text)]
            ladder = tuple(Point(key, value) for value in dict.fromkeys(values))
        else:
            settings[key] = _setting(where, key, text, allowed, keys)
            words.append(f"{key}={settings[key]}")
            titles.append(words[-1])
    varied = replace(
        card,
        id=str(CodecName(card.id, tuple(words))),
        title=titled(card.title_pattern or card.title, settings, titles),
        ladder=ladder,
        settings=settings,
    )
    if conflict := _conflict(varied, adapter, {*changes, ladder[0].key}):
        raise UsageError(f"{where}: {conflict}")
    return varied


def check_values(card: CodecCard, adapter: type[Codec]) -> None:
    """Raises CardError for a setting that the adapter does not know, a value out of range, or a
    setting that the ladder or another setting overrides."""
    where, parameters = label(card.path), adapter.parameters
    for key, value in card.settings.items():
        if key not in parameters or key == ANY_LADDER:
            raise CardError(f"{where}: unknown setting {key!r}; {near_matches(key, parameters)}")
        if not _allows(parameters[key], value):
            raise CardError(
                f"{where}: {key} {shown(value)} is outside {parameters[key]}; change settings.{key}"
            )
    for point in () if card.searched else card.ladder:
        if point.key in parameters and not _allows(parameters[point.key], point.value):
            raise CardError(
                f"{where}: {point.key} {shown(point.value)} is outside {parameters[point.key]}; "
                f"change ladder.{point.key}"
            )
        if point.key not in parameters and point.key != ONLY.key and ANY_LADDER not in parameters:
            raise CardError(
                f"{where}: unknown ladder key {point.key!r}; {near_matches(point.key, parameters)}"
            )
    _check_ladder_key(card, adapter)
    # in a variation what a user wrote comes before what the card says; vary looks at both
    if card.id == card.path.stem and (
        conflict := _conflict(card, adapter, {*card.settings, card.rate_key})
    ):
        raise CardError(f"{where}: {conflict}")


def ladder_keys(adapter: type[Codec]) -> tuple[str, ...] | None:
    """The parameters of which one is the ladder; None where the adapter does not say."""
    keys: tuple[str, ...] | None = getattr(adapter, "ladder_keys", None)
    return keys


def _check_ladder_key(card: CodecCard, adapter: type[Codec]) -> None:
    where, keys, key = label(card.path), ladder_keys(adapter), card.rate_key
    if keys is not None and key not in (*keys, ONLY.key):
        raise CardError(
            f"{where}: {key} cannot be the ladder: "
            + (f"that is one of {', '.join(keys)}" if keys else "this codec has none")
        )
    for other in (*(keys or ()), key):
        if other in card.settings:
            cure = f"make {other} the ladder or leave it out" if other != key else "leave it out"
            ladder = f"the ladder of {key}" if _own_key(card) else "no ladder"
            raise CardError(f"{where}: settings.{other} beside {ladder} does not count; {cure}")


def _conflict(card: CodecCard, adapter: type[Codec], names: Collection[str]) -> str | None:
    """Which of the named settings, or the ladder, does not count beside which other, if any."""
    find: Any = getattr(adapter, "overridden", None)
    for name, other in (find(card) if find else {}).items():
        if name in names:
            settings = card.settings
            what = f"{name}={settings[name]}" if name in settings else f"the ladder of {name}"
            return f"{what} does not count beside {other}; leave one of them out"
    return None


def _own_key(card: CodecCard) -> str | None:
    return None if card.ladder == (ONLY,) else card.ladder[0].key


def _allowed(parameters: Mapping[str, Allowed], key: str, keys: Collection[str]) -> Allowed | None:
    """The values of a parameter, or of a ladder's key that is the card's own; None: unknown."""
    if key in parameters and key != ANY_LADDER:
        return parameters[key]
    return parameters.get(ANY_LADDER, AnyValue()) if key in keys else None


def _point_value(
    where: str, key: str, text: str, allowed: Allowed, beside: Sequence[Value]
) -> Value:
    """The value of a word as the card's ladder ``beside`` spells it, or would."""
    if text in beside:
        return text
    value = parse_value(text)
    if not text or not _allows(allowed, value):
        raise _outside(where, key, text, allowed)
    for one in beside:
        if same_value(one, value):
            return one
    value = _spelled(value, allowed)
    floats = bool(beside) and all(isinstance(one, float) for one in beside)
    return float(value) if floats and is_number(value) else value


def _setting(where: str, key: str, text: str, allowed: Allowed, keys: Collection[str]) -> Value:
    value = parse_value(text)
    if _allows(allowed, value):
        return _spelled(value, allowed)
    # of digits alone, or with a +, but text all the same: the name of a file
    if (isinstance(value, str | bool) or is_number(value)) and text in allowed:
        return text
    pieces = split_values(text)
    if len(pieces) > 1 and all(_allows(allowed, parse_value(piece)) for piece in pieces):
        ladder = f"only {' or '.join(sorted(keys))} is a ladder" if keys else "it has no ladder"
        raise UsageError(f"{where}: {key} takes one value; {ladder}")
    raise _outside(where, key, text, allowed)


def _outside(where: str, key: str, text: str, allowed: Allowed) -> UsageError:
    return UsageError(f"{where}: {key} {shown(text)} is outside {allowed}")


def _allows(allowed: Allowed, value: object) -> bool:
    """Whether a value is allowed; numbers that are not finite never are, whatever they are of."""
    if isinstance(value, int | float) and not isinstance(value, bool) and not is_number(value):
        return False
    return value in allowed


def _spelled(value: Value, allowed: Allowed) -> Value:
    """The one spelling of equal values: a choice's own, a whole number without a point."""
    if isinstance(allowed, Choice):
        return next(word for word in allowed.words if same_value(word, value))
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value) if int(value) in allowed else value
    return value
