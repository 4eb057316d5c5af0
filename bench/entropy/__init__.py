"""Quantisers, entropy coders and trellises; they know samples and bits, no codec and no card."""
