"""Figures of a report, which take longer than all the rest of it, are written without a drawing."""

from __future__ import annotations

import pytest

from bench.figures.files import _PDF_END, _PNG_END, Sheet


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """``monkeypatch.undo()`` draws; what a module shares is drawn."""

    def write(sheet: Sheet) -> None:
        pdf, png = sheet.paths
        pdf.write_bytes(b"/Keywords (%s)" % sheet.mark.encode() + _PDF_END)
        png.write_bytes(b"Comment\0" + sheet.mark.encode() + _PNG_END)

    monkeypatch.setattr("bench.figures.drawing_process.write_sheet", write)
