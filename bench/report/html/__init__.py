"""report.html: one self-contained page of a report, made from package data and inlined JSON."""

from bench.report.html.page import write_page

__all__ = ["write_page"]
