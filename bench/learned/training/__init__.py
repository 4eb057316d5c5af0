"""The one training loop of all learned codecs, its tasks' contract and its data."""
