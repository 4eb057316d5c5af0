"""Codecs ``vqvae2-512`` and ``vqvae2-2048`` with the priors of their indices."""
