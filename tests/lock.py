"""Writes the installed versions of everything that this project needs into ``constraints/``."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

_ROOT = Path(__file__).resolve().parents[1]


def locked() -> Iterator[str]:
    """``name==version`` of each package that pyproject.toml needs, by name."""
    with (_ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    found: dict[str, set[str]] = {}
    for words in (project["dependencies"], *project["optional-dependencies"].values()):
        _walk(map(Requirement, words), {""}, found)
    for name in sorted(found):
        if name != project["name"]:
            # a local label, such as +cpu, is of another index than PyPI
            yield f"{name}=={distribution(name).version.partition('+')[0]}"


def _walk(
    requirements: Iterable[Requirement], extras: set[str], found: dict[str, set[str]]
) -> None:
    """Adds what is needed with these extras, and what that needs."""
    for requirement in requirements:
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": one}) for one in extras):
            continue
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        new = ({""} | requirement.extras) - found.get(name, set())
        if not new:
            continue
        try:
            theirs = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another platform
        found[name] = found.get(name, set()) | new
        _walk(map(Requirement, theirs), new, found)


if __name__ == "__main__":
    major, minor = sys.version_info[:2]
    head = f"# Versions that the tests were run with on CPython {major}.{minor}: `make lock`."
    path = _ROOT / f"constraints/{major}.{minor}.txt"
    path.write_text("\n".join([head, *locked()]) + "\n")
