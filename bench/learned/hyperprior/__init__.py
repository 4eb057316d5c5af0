"""Codec ``hyperprior``: one mean-scale hyperprior for all rates."""
