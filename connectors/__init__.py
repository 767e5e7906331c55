"""This package speaks to the outside world: connections, credentials, Stripe, Salesforce and the sandbox."""
