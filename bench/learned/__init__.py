"""Our own networks: a folder each with codec, network and training task, what they share, training,
and the pages about the papers. Nothing outside imports it but by the names that cards give.
"""
