"""Figures as files: one drawing written as PDF, the PNG made from that PDF, and nothing written
again that is there already. Decides nothing of what a figure shows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from bench.figures.plot import Plot
from bench.figures.style import Style

_DPI = 200
_PDF_END, _PNG_END = b"%%EOF\n", b"IEND\xaeB`\x82"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A plot, its style and its files: ``stem`` with .pdf and .png; ``mark`` is its own."""

    plot: Plot
    style: Style
    stem: Path
    mark: str

    @property
    def paths(self) -> tuple[Path, Path]:
        name = self.stem.name
        return self.stem.with_name(f"{name}.pdf"), self.stem.with_name(f"{name}.png")

    @property
    def written(self) -> bool:
        """Both files are whole and of this very figure."""
        mark = self.mark.encode()
        for path, end in zip(self.paths, (_PDF_END, _PNG_END), strict=True):
            data = path.read_bytes() if path.is_file() else b""
            if mark not in data or not data.endswith(end):
                return False
        return True


def make_sheet(plot: Plot, style: Style, stem: Path) -> Sheet:
    """The sheet of a plot, marked with a hash of all that its files depend on."""
    digest = hashlib.sha256(f"{_drawn_by()} {plot!r} {style!r}".encode()).hexdigest()
    return Sheet(plot, style, stem, digest)


@cache
def _drawn_by() -> str:
    """The versions of what draws, and this package's own code."""
    own = sorted(files(__package__).iterdir(), key=lambda entry: entry.name)
    code = hashlib.sha256(b"".join(e.read_bytes() for e in own if e.name.endswith(".py")))
    return f"{version('matplotlib')} {version('pypdfium2')} {code.hexdigest()}"


def write_sheet(sheet: Sheet) -> None:
    """Draws a sheet and writes both files; the same plot gives the same bytes."""
    from matplotlib import rc_context

    from bench.figures.draw import draw
    from bench.figures.fonts import reduced

    settings: Any = {**sheet.style.settings, "font.family": reduced(sheet.style.family)}
    pdf, png = sheet.paths
    with rc_context(settings):
        # no creation date: the same records give the same file
        draw(sheet.plot, sheet.style).savefig(
            pdf, metadata={"CreationDate": None, "Keywords": sheet.mark}
        )
    _write_png(pdf, png, sheet.mark)


def _write_png(pdf: Path, png: Path, mark: str) -> None:
    """Rasters a page: in a seventh of the time that drawing the figure again would take."""
    import pypdfium2
    from PIL.PngImagePlugin import PngInfo

    with pypdfium2.PdfDocument(pdf) as document:
        page = document[0]
        picture = page.render(scale=_DPI / 72, rev_byteorder=True).to_pil()
    text = PngInfo()
    text.add_text("Comment", mark)
    # run lengths: lines on white pack as well, in two thirds of the time
    picture.save(png, compress_type=3, pnginfo=text, dpi=(_DPI, _DPI))
