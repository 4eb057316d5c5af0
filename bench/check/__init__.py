"""Rate-distortion numbers against a baseline: what got better, worse, or can no longer be told."""

from bench.check.baseline import read_measurements, write_baseline
from bench.check.compare import CheckReport, Tolerances, compare

__all__ = ["CheckReport", "Tolerances", "compare", "read_measurements", "write_baseline"]
