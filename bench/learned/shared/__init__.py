"""What several networks are made of: transforms, contexts, exact arithmetic."""
