"""This package knows the customers of an org, and tells whether a customer of Stripe is one of them."""
