"""This package is the product: flows are published and deployed, events become runs, people answer."""
