"""What changed around a codec between two runs: the likely cause of a changed number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.check.baseline import Measurements

_SHOWN = 48


def likely_causes(codec: str, measured: Measurements, baseline: Measurements) -> tuple[str, ...]:
    """Sentences, the closest cause first: the codec's own versions and weights, its settings, then
    libraries and the harness itself."""
    if measured.run is None or baseline.run is None:
        return ("versions are unknown: one side has no run.json",)
    new, old = measured.info(codec), baseline.info(codec)
    found: list[str] = []
    if new is not None and old is not None:
        found += changed("", old.versions, new.versions)
        found += changed("setting ", old.settings, new.settings)
        found += changed("", {"device": old.device or None}, {"device": new.device or None})
    own = set(new.versions if new is not None else ()) | set(
        old.versions if old is not None else ()
    )
    libraries = changed("", baseline.run.libraries, measured.run.libraries)
    found += [line for line in libraries if line.partition(" ")[0] not in own]
    if measured.run.bench != baseline.run.bench:
        found.append(f"bench {baseline.run.bench} → {measured.run.bench}")
    if not found:
        return (
            "no version, weight file or setting changed: the code of the adapter or the harness",
        )
    return tuple(found)


def changed(prefix: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two tables, as ``name before → after``."""
    lines = []
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before != after:
            lines.append(f"{prefix}{name} {_value(before)} → {_value(after)}")
    return lines


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = str(value)
    hexadecimal = len(text) == 64 and all(c in "0123456789abcdef" for c in text)
    return text[:12] if hexadecimal else text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
