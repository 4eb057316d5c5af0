"""Codec adapters; each is named by a card and imported on first use."""
