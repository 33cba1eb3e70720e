"""The parts of a report: each gathers its facts from a project and knows nothing of pages."""
