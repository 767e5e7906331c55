"""This package holds the pages of flows: runs, dead letters, events, and the flows themselves."""
