"""What a run leaves: the store behind a results folder, kept streams, the reader of its tables."""
