"""These tests look at the pure parts of monitoring."""
