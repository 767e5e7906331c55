"""This module says which fields of an org's records are compared with what a customer of Stripe tells."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flows.matching.records import Normalised, normalise

# Standard fields, which every org has:
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_account.htm
# https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_contact.htm
FIELDS: Mapping[str, Mapping[str, str]] = {
    "Account": {
        "name": "Name",
        "phone": "Phone",
        "domain": "Website",
        "line1": "BillingStreet",
        "postal": "BillingPostalCode",
        "city": "BillingCity",
        "country": "BillingCountry",
    },
    "Contact": {
        "name": "Name",
        "email": "Email",
        "phone": "Phone",
        "line1": "MailingStreet",
        "postal": "MailingPostalCode",
        "city": "MailingCity",
        "country": "MailingCountry",
    },
}


def fields_of(object_: str) -> list[str]:
    """Return the API names of the fields of an object's records that are compared."""
    return list(FIELDS[object_].values())


def values_of(object_: str, record: Mapping[str, Any], keys: Collection[str] = ()) -> dict[str, Any]:
    """Return what a record tells, by the names that `normalise` takes; `keys` are external keys."""
    told: dict[str, Any] = {name: record.get(field) for name, field in FIELDS[object_].items()}
    if keys:
        known = {name.lower(): value for name, value in record.items()}  # as the org itself writes them
        told["external"] = {key: known.get(key.lower()) for key in keys}
    return told


def normalised(object_: str, record: Mapping[str, Any], keys: Collection[str] = ()) -> Normalised:
    """Return a record in the form in which records are compared, with the external keys in `keys`."""
    return normalise(values_of(object_, record, keys))
