"""This package changes flow documents that may be unfinished: typed edits, each with what takes it back."""
