"""Reports of finished runs: tables, plots and pages, made from records.csv and run.json alone."""

from bench.report.build import BuiltReport, build

__all__ = ["BuiltReport", "build"]
