"""report.html: one self-contained page of a report, made from package data and inlined JSON."""
