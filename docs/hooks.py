"""Hooks of mkdocs: figures of results in pages, the gallery of them, help of all commands."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

from bench.cli import COMMANDS, make_parser

ROOT = Path(__file__).resolve().parent.parent


def on_files(files: Files, config: Any) -> Files:
    """Figures of results/ are files of the site."""
    for path in ROOT.glob("results/*/rd_*.png"):
        name = path.relative_to(ROOT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to results/, which lies beside docs/, lead into the site."""
    extra = {"gallery.md": gallery, "commands.md": helps}.get(page.file.src_uri)
    return markdown.replace("](../results/", "](results/") + (extra() if extra else "")


def gallery() -> str:
    """A section for each results folder that has a figure: its first one and its command."""
    sections = []
    for folder in sorted((ROOT / "results").iterdir()):
        figures = sorted(folder.glob("rd_*.png"))
        if not figures or not (folder / "run.json").is_file():
            continue
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        wanted = [f"rd_{name}{end}.png" for name in run["metrics"] for end in ("", "_db")]
        first = next((name for name in wanted if (folder / name).is_file()), figures[0].name)
        sections.append(
            f"\n## {run['suite_title']}\n\n![RD curves](results/{folder.name}/{first})\n\n"
            f"```text\npython -m bench run --suite {run['suite']}\n```\n"
        )
    return "\n".join(sections)


def helps() -> str:
    """The help of each command, 80 columns wide."""
    (commands,) = (
        action
        for action in make_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return "".join(
        f"\n## bench {name}\n\n```text\n{commands.choices[name].format_help()}```\n"
        for name in COMMANDS
    )
