"""Vaults: packs a run with its streams into one file, and decodes such a file again."""
