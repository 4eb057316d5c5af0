"""Distortion metrics on 8-bit samples; no codec and no file is known here."""
