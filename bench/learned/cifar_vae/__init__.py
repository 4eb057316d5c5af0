"""Codec ``cifar-vae``: the convolutional autoencoder of 32×32 pictures with its quantisers."""
