"""Trials of chance: what the harness does with kills, damage and hostile bytes."""
