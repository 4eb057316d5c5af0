"""Networks of the learned codecs, each a module that reads like its paper, and their training."""
