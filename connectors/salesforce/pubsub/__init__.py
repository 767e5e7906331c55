"""This package hears an org's event bus through the Pub/Sub API, and reads what the bus brings."""
