"""Builds the site: reads every results folder, then writes pages, downloads and what they share."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.cards import Registry
from bench.cards.files import read_json
from bench.errors import StoreError, UsageError
from bench.records import CodecName
from bench.report.chroma import MARK
from bench.report.html.page import Frame, packed_plotly, resource, write_page
from bench.report.html.pictures import BUDGET_BYTES, read_shots
from bench.report.latex import write_latex
from bench.report.plots import write_pgfplots
from bench.report.site.markup import written
from bench.report.site.pages import (
    above,
    codec_address,
    codec_page,
    files_section,
    front_page,
    methods_page,
    suite_address,
    tables_page,
)
from bench.report.site.suites import SuitePage, names_on_page, read_suite
from bench.report.tables import write_bd, write_curves, write_markdown
from bench.results.vault_file import Vault, read_vault

LISTED = "site.json"
"""Names the files of a site, so that the next one takes away what it no longer has."""
_APART = ("curves.csv", "bd.csv", "table.md", "table.tex")
_KEPT = {".csv", ".tsv", ".dat", ".tex", ".md", ".pdf", ".json"}
_LARGEST = 10_000_000
"""Bytes of a file that is handed out."""
LIMIT, _FRONT = 30_000_000, 500_000
"""Bytes of a site, and of them for its front page: vaults that do not fit are listed alone."""
_PICTURES = 9_000_000
"""Bytes of pictures that the pages of all suites share, a third more as text."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class BuiltSite:
    """What was written where; ``left_out`` says in a line each what is not on the site."""

    folder: Path
    suites: int
    codecs: int
    size: int
    left_out: tuple[str, ...]


def build_site(paths: Sequence[Path], out: Path, registry: Registry) -> BuiltSite:
    """Writes a site of these results folders and vaults.

    Raises UsageError where nothing of it is a results folder or two have one name, StoreError for
    a folder that cannot be read.
    """
    folders, vaults, left_out = sort_paths(paths)
    if (out / "run.json").exists():
        raise UsageError(f"--out {out} is a results folder; give the site a folder of its own")
    suites = [read_suite(folder, registry, vaults) for folder in folders]
    _refuse_same(suites, vaults)
    made = _Folder(out)
    showing = sum(bool(read_shots(suite.folder)) for suite in suites)
    for suite in suites:
        _write_suite(suite, made, min(BUDGET_BYTES, _PICTURES // max(showing, 1)))
    names = _names(suites)
    for codec in names:
        of = [suite for suite in suites if suite.info(codec)]
        made.write(codec_address(codec), codec_page(codec, names, of))
    made.write("methods.html", methods_page(suites))
    html, own = "bench.report.html", "bench.report.site"
    made.write("parts/style.css", resource(html, "style.css") + resource(own, "site.css"))
    made.write("parts/site.js", resource(html, "sorting.js") + resource(own, "start.js"))
    made.write("parts/plotly.js", f'window.packedPlotly = "{packed_plotly()}";\n')
    listed = _copy_vaults(vaults, made)
    made.write("index.html", front_page(suites, listed, names))
    left_out += tuple(f"{v.path}: {v.path.stat().st_size / 1e6:.1f} MB would make the site larger "
                      f"than {LIMIT / 1e6:.0f} MB: listed by its hash"
                      for v, address in listed if not address)  # fmt: skip
    said = [*left_out, *(f"{suite.folder}: {suite.missing}" for suite in suites if suite.missing)]
    said += [
        f"{path}: {size / 1e6:.0f} MB, more than a site hands out ({_LARGEST / 1e6:.0f} MB)"
        for suite in suites for path in _offered(suite)
        if (size := path.stat().st_size) > _LARGEST
    ]  # fmt: skip
    return BuiltSite(out, len(suites), len(names), made.finish(), tuple(said))


def _copy_vaults(vaults: Sequence[Vault], made: _Folder) -> list[tuple[Vault, str]]:
    """The vaults by size with their addresses, empty from the first that does not fit any more."""
    listed = []
    for vault in sorted(vaults, key=lambda one: (one.path.stat().st_size, one.path.name)):
        address = ""
        if made.size() + vault.path.stat().st_size <= LIMIT - _FRONT:
            address = f"files/vaults/{vault.path.name}"
            made.copy(vault.path, address)
        listed.append((vault, address))
    return listed


def sort_paths(paths: Sequence[Path]) -> tuple[list[Path], list[Vault], tuple[str, ...]]:
    """Results folders, vaults, and a line for each path that is neither. Raises StoreError for a
    zip file that is no vault."""
    folders: list[Path] = []
    vaults: list[Vault] = []
    left_out = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: no such folder; give results folders and vaults")
        if (path / "run.json").is_file():
            folders.append(path)
        elif found := [path] if path.suffix == ".zip" else sorted(path.glob("*.zip")):
            vaults += map(read_vault, found)
        else:
            left_out.append(f"{path}: neither a results folder nor a vault")
    if not folders:
        raise UsageError("no results folder among these paths; one has a run.json")
    return folders, vaults, tuple(left_out)


def _refuse_same(suites: Sequence[SuitePage], vaults: Sequence[Vault]) -> None:
    places = [(suite.folder, f"suites/{suite.name}.html") for suite in suites]
    places += [(vault.path, f"files/vaults/{vault.path.name}") for vault in vaults]
    taken: dict[str, Path] = {}
    for path, address in places:
        other = taken.setdefault(address.lower(), path)
        if other is not path:
            raise UsageError(
                f"{other} and {path}: both would be {address}, as addresses are their names; "
                "rename one"
            )


def _names(suites: Sequence[SuitePage]) -> dict[str, str]:
    """The codecs of all suites by id with what readers call them, variations behind their card."""
    called: dict[str, str] = {}
    for suite in suites:
        given = suite.content.names if suite.content else {
            codec: row[0].rstrip(f"{MARK}*") for codec, row in
            zip(suite.codecs, suite.summary.rows, strict=False)
        }  # fmt: skip
        for info in suite.run.codecs:
            if called.get(info.id, info.id) == info.id:
                called[info.id] = given.get(info.id) or info.label or info.id
    taken = Counter(called.values())
    for codec, name in called.items():
        if taken[name] > 1 and name != codec:
            called[codec] = f"{name} ({codec})"
    return dict(sorted(called.items(), key=lambda one: (CodecName.parse(one[0]).card, one[0])))


class _Folder:
    """The folder of a site, with the files that were written into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files: set[str] = set()
        try:
            self.before = tuple(read_json(root / LISTED)["files"])
        except FileNotFoundError:
            self.before = ()
            if root.is_dir() and any(root.iterdir()):
                raise UsageError(
                    f"--out {root} holds other files than a site's; give a new or an empty folder"
                ) from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{root / LISTED}: {error}; remove the site") from error

    def place(self, address: str) -> Path:
        path = self.root / address
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.add(address)
        return path

    def write(self, address: str, text: str) -> None:
        self.place(address).write_text(text, encoding="utf-8")

    def copy(self, source: Path, address: str) -> None:
        shutil.copyfile(source, self.place(address))

    def size(self) -> int:
        return sum((self.root / address).stat().st_size for address in self.files)

    def finish(self) -> int:
        """Removes what an earlier site had and this one has not; returns the bytes of all."""
        for address in self.before:
            path = (self.root / str(address)).resolve()
            if address not in self.files and path.is_relative_to(self.root.resolve()):
                path.unlink(missing_ok=True)
        self.write(LISTED, json.dumps({"files": sorted({*self.files, LISTED})}, indent=0) + "\n")
        return self.size()


def _write_suite(suite: SuitePage, made: _Folder, pictures: int) -> None:
    files = _write_files(suite, made)
    content = suite.content
    if content is None:
        plots = [one for one in files if one.endswith((".pdf", ".png"))]
        rest = [one for one in files if one not in plots]
        made.write(suite_address(suite), tables_page(suite, rest, plots))
        return
    links = {name: f"../{codec_address(codec)}" for name, codec in names_on_page(content).items()}
    frame = Frame(
        written(above(suite)), written(files_section(suite, files)), links, "../parts/plotly.js",
        pictures,
    )  # fmt: skip
    write_page(content, made.place(suite_address(suite)), frame)


def _write_files(suite: SuitePage, made: _Folder) -> list[str]:
    """The suite's files: its tables anew, so that they are those of the page; what else the folder
    holds as it is. Returns their addresses from the suite's page."""
    home = f"files/{suite.name}"
    archive = made.place(f"{home}.zip")
    work = archive.with_suffix(".new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    for path in _offered(suite):
        if path.stat().st_size <= _LARGEST:
            shutil.copyfile(path, work / path.name)
    if suite.content is not None:
        for stale in (*work.glob("curve_*.dat"), *work.glob("rd_*.tex")):
            stale.unlink()
        for write in (write_curves, write_bd, write_markdown, write_latex, write_pgfplots):
            write(suite.content, work)
    _pack(work, archive, suite.name)
    shown = [name for name in _APART if (work / name).is_file()]
    shown += [path.name for path in sorted(work.glob("rd_*")) if path.suffix in (".pdf", ".tex")]
    shown += [path.name for path in sorted(work.glob("*.md")) if path.name not in _APART]
    for name in shown:
        made.copy(work / name, f"{home}/{name}")
    shutil.rmtree(work)
    return [f"../{home}/{name}" for name in shown]


def _offered(suite: SuitePage) -> list[Path]:
    return [
        path for path in sorted(suite.folder.iterdir())
        if path.is_file() and path.name != "report.html" and path.suffix in _KEPT
    ]  # fmt: skip


def _pack(folder: Path, archive: Path, name: str) -> None:
    """The same bytes for the same files."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as file:
        for path in sorted(folder.iterdir()):
            entry = zipfile.ZipInfo(f"{name}/{path.name}", _EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            file.writestr(entry, path.read_bytes())
