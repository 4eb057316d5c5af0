"""Codecs ``qcae``, ``qcae-any`` and ``qcae-paper``: clips as indices of a scalar codebook."""
