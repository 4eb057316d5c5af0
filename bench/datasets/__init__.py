"""Data set loaders; each is named by a card and imported on first use."""
