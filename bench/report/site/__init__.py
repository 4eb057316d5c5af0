"""A static site of several results folders: a front page, a page a suite and a codec, downloads."""

from bench.report.site.build import BuiltSite, build_site

__all__ = ["BuiltSite", "build_site"]
