"""Is this machine, and the user's codec, measuring correctly? Knows mistakes by their signature."""
