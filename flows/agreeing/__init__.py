"""This package decides what two systems that may both change a record have to tell each other."""
