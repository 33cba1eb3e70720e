"""One module a step, applied in the order of their numbers."""
