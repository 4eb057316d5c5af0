"""Rate-distortion numbers against a baseline: what got better, worse, or can no longer be told."""
