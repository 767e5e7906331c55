"""These tests look at monitoring with a database."""
