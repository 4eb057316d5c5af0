"""Codecs ``gaussian-ae`` and ``naive-copy``: autoencoders of Gaussian vectors."""
