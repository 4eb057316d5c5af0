"""Audits: under which conventions a published number comes out of streams that are at hand."""
