"""This package holds what every page may write in its template."""
