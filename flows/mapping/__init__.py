"""This package turns what Stripe said into the fields of a Salesforce record."""
