"""`bench new`: a card and an adapter to start from, which run as they are."""

from __future__ import annotations

import argparse
import keyword
import re
from importlib.util import find_spec
from pathlib import Path

from bench.errors import UsageError

SUMMARY = "a card and an adapter of your own, to start from"
EXAMPLES = ("codec mine --from model",)
_TEMPLATES = Path(__file__).parent / "scaffold"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=("codec",))
    parser.add_argument("name", help="its id: letters, digits and hyphens")
    parser.add_argument(
        "--from", dest="template", default="python", choices=("python", "command", "model"),
        help="a Python class (default), two command lines, or a PyTorch model",
    )  # fmt: skip
    parser.add_argument("--folder", type=Path, default=Path(), metavar="DIR", help="where to")


def call(options: argparse.Namespace) -> int:
    """Writes ``cards/NAME.toml`` into the folder and, but for commands, ``NAME.py`` beside
    ``cards``; says which command shows them at work. Overwrites nothing."""
    name, template, folder = options.name, options.template, options.folder
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,40}", name):
        raise UsageError(
            f"{name!r} is no codec id: small letters, digits and hyphens, a letter first"
        )
    module = name.replace("-", "_")
    _refuse_taken(name, module, python=template != "command")
    words = {"NAME": name, "MODULE": module, "CLASS": "".join(map(str.title, name.split("-")))}
    files = {folder / "cards" / f"{name}.toml": f"{template}.toml.in"}
    code = _TEMPLATES / f"{template}.py.in"
    if code.is_file():
        files[folder / f"{module}.py"] = code.name
    for path in files:
        if path.exists():
            raise UsageError(f"{path} exists; take another name or folder")
    for path, source in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        text = (_TEMPLATES / source).read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(f"@{word}@", value)
        path.write_text(text, encoding="utf-8")
    where = "" if folder == Path() else f"cd {folder} && "
    print(*files, sep="\n")
    print(f"next: {where}python -m bench try {name} PICTURE.png --cards cards")
    return 0


def _refuse_taken(name: str, module: str, *, python: bool) -> None:
    from bench.cards import load_registry

    if name in load_registry().codecs:
        raise UsageError(f"codec {name!r} is there already; take another name, such as my-{name}")
    if python and (keyword.iskeyword(module.title()) or find_spec(module) is not None):
        raise UsageError(f"Python has its own {module!r}; take another name, such as my-{name}")
