"""Codec ``vae3d``: the 3-D convolutional VAE of 96×96 clips."""
