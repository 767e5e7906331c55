"""This package advances runs through the steps of a flow, without knowing a database or a network."""
