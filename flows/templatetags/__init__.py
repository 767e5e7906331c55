"""This package holds what pages of other layers show of flows."""
