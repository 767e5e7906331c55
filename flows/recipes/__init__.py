"""This package holds the flows that ship as templates, with sample events."""
