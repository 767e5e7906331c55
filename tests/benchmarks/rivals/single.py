"""This module is the drain that integrations begin with: one PATCH for each event, one after the other."""

from __future__ import annotations

import time

import requests

from tests.benchmarks.product import ask

VERSION = "v67.0"


def session(salesforce: str) -> requests.Session:
    """Return a session of the integration's user."""
    opened = requests.Session()
    username = {"username": "integration@acme.test"}
    token = ask(f"{salesforce}/_sandbox/sessions", method="POST", data=username)["access_token"]
    opened.headers["Authorization"] = f"Bearer {token}"
    return opened


def rate(salesforce: str, *, events: int) -> float:
    """Return how many records a second one caller upserts, mapping and bookkeeping left out."""
    caller = session(salesforce)
    begun = time.monotonic()
    for number in range(events):
        address = f"{salesforce}/services/data/{VERSION}/sobjects/Payment__c/External_ID__c/ch_single{number}"
        values = {
            "Name": f"ch_single{number}",
            "Amount__c": 19.99,
            "Currency__c": "EUR",
            "Status__c": "Completed",
        }
        caller.patch(address, json=values, timeout=10).raise_for_status()
    return events / (time.monotonic() - begun)
