"""Codec ``qcae-rd``: clips by layers that move, trained for rate and distortion."""
