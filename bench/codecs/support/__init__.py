"""What adapters share: framing, planes, processes, tensors. No card names a module of this room."""
