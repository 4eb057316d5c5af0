"""Curves, Bjøntegaard deltas and their uncertainty, from the records of a run.

Never measures anything and never writes a report.
"""

from bench.analysis.table import BdTable, bd_table

__all__ = ["BdTable", "bd_table"]
