"""This package holds the commands of accounts."""
