"""This package holds the step kinds, one to a file."""
