"""
This package merges records of an org from here: it looks, asks a person, does it once, and checks it.

`checking` shows what a merge would do and keeps that; `working` does it in the background, `verifying` looks
what has become of every record that referred to the ones merged. Links follow by `flows.merges`, as they do
where people merge in Salesforce. Nothing is ever deleted in Stripe.
"""
