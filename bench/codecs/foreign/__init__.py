"""Code that is not ours, in processes of its own."""
