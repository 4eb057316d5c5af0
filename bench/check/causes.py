"""What differs in the identity of two runs of a codec: the likely cause of a changed number."""

from __future__ import annotations

from collections.abc import Mapping
from operator import itemgetter
from pathlib import PurePath
from typing import Any

from bench.check.baseline import Measurements
from bench.results.run_info import CODE, CodecInfo

_SHOWN = 48


def likely_causes(codec: str, measured: Measurements, baseline: Measurements) -> tuple[str, ...]:
    """Sentences, the closest cause first: the codec's own versions and weights, its card, its
    device, then libraries and the harness itself."""
    if measured.run is None or baseline.run is None:
        return ("versions are unknown: one side has no run.json",)
    new, old = measured.info(codec), baseline.info(codec)
    found: list[str] = []
    if new is not None and old is not None:
        found += _code_changes(old, new)
        found += changes(_versions(old), _versions(new))
        found += changes(old.settings, new.settings, "setting ")
        found += changes(_card(old), _card(new), "card: ")
        found += changes({"device": old.device or None}, {"device": new.device or None})
    own = {name for info in (new, old) if info is not None for name in info.versions}
    found += changes(
        {name: text for name, text in baseline.run.libraries.items() if name not in own},
        {name: text for name, text in measured.run.libraries.items() if name not in own},
    )
    found += changes({"bench": baseline.run.bench}, {"bench": measured.run.bench})
    for name in dict.fromkeys((*baseline.run.metric_versions, *measured.run.metric_versions)):
        sides = (baseline.run.metric_versions.get(name), measured.run.metric_versions.get(name))
        if not all(sides):
            found += changes(sides[0] or {}, sides[1] or {}, f"{name}: ")
    unknown = "no version, weight file or setting changed: the code of the adapter or the harness"
    return tuple(found or [unknown])


def _code_changes(old: CodecInfo, new: CodecInfo) -> list[str]:
    """``code changed: layers.py``: by name, since a copy of a repository lies elsewhere."""
    sides = []
    for info in (old, new):
        names: dict[str, list[str]] = {}
        for path, digest in sorted(info.code.items(), key=itemgetter(1)):
            names.setdefault(PurePath(path).name, []).append(digest)
        sides.append(names)
    one, other = sides
    # a side that has no code at all is of a version that did not note it
    changed = sorted(name for name in {*one, *other} if one.get(name) != other.get(name))
    return [f"code changed: {', '.join(changed)}"] if one and other and changed else []


def _versions(info: CodecInfo) -> Mapping[str, str]:
    """Without what stands for the code, whose files say it better."""
    return {name: text for name, text in info.versions.items() if name != CODE}


def _card(info: CodecInfo) -> Mapping[str, Any]:
    """What a codec's card says besides its settings."""
    claims = {"deterministic": info.deterministic, "lossless": info.lossless}
    return {**claims, **info.source}


def changes(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[str]:
    """``name old → new`` of each value that differs."""
    return [
        f"{prefix}{name} {_value(old.get(name))} → {_value(new.get(name))}"
        for name in dict.fromkeys((*old, *new))
        if old.get(name) != new.get(name)
    ]


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = str(value)
    hexadecimal = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if hexadecimal else text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
