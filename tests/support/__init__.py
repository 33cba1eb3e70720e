"""What several test modules share, and no fixtures: those are in conftest.py."""
