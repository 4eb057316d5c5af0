"""Code that is not ours, in processes of its own: the worker, its host, and the codec that the
engine sees. Nothing here imports what a card names."""
