"""Other libraries' interfaces on jurybox's core."""
