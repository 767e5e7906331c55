"""This package turns short texts into vectors with a small language model, by numpy alone."""
