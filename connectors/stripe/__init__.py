"""This package speaks to Stripe: reads, webhooks, and what its errors mean."""
