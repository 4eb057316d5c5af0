"""The rooms of docs/architecture.md: imports go down, and no two modules import each other."""

from __future__ import annotations

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    ("errors", "machine", "signals", "records", "colour"),
    ("processes", "cards", "entropy", "bitstreams"),
    ("figures", "results"),
    ("codecs", "datasets", "metrics", "analysis"),
    ("learned",),
    ("engine", "check", "report", "doctor"),
    ("vault", "audit"),
    ("learned.pages",),
    ("commands",),
    ("cli",),
)
MOST_AT_THE_TOP = 9


@cache
def _modules() -> dict[str, Path]:
    found = {}
    for path in sorted((ROOT / "bench").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def _imports(path: Path) -> set[str]:
    """Modules of ours that a module imports, wherever in it."""
    known = _modules()
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else node.module for name in names}
    return found & known.keys()


def _room(module: str) -> str:
    if module.startswith("bench.learned.pages"):
        return "learned.pages"
    return module.split(".")[1] if "." in module else "bench"


def test_imports_go_down_and_rooms_of_a_floor_are_no_circle() -> None:
    known = _modules()
    level = {room: place for place, rooms in enumerate(FLOORS) for room in rooms}
    beside: dict[str, set[str]] = {}
    upward = []
    for module, path in known.items():
        if _room(module) in ("bench", "__main__"):
            continue
        for other in _imports(path) - {"bench"}:
            mine, theirs = _room(module), _room(other)
            if level[theirs] > level[mine]:
                upward.append(f"{module} imports {other}")
            elif theirs != mine and level[theirs] == level[mine]:
                beside.setdefault(mine, set()).add(theirs)
    assert not upward
    tuple(TopologicalSorter(beside).static_order())  # raises CycleError


def test_no_circle_of_modules() -> None:
    known = _modules()
    graph = {module: _imports(path) - {module} for module, path in known.items()}
    # a package's face names its modules, which may name the package for what it exports
    for module in graph:
        graph[module] = {other for other in graph[module] if not module.startswith(f"{other}.")}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        raise AssertionError(" → ".join(error.args[1])) from None


def test_the_entrance_is_small() -> None:
    top = sorted(path.name for path in (ROOT / "bench").glob("*.py"))
    assert len(top) <= MOST_AT_THE_TOP, top


def test_the_map_names_every_room() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = {path.parent.name for path in (ROOT / "bench").glob("*/__init__.py")}
    assert {room for room in rooms if f"`{room}/`" not in text} == set()
