"""Distortion metrics on 8-bit samples, one function a metric; no codec and no file is known here."""
