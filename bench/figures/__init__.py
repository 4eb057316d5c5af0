"""Figures as PDF and PNG, drawn from plain descriptions; knows no records, runs or tables."""
