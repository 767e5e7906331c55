"""This package holds the ideas that need no framework: failures, money, paths, back-off, redaction."""
