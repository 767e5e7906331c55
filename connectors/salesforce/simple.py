"""
This module takes what is used of simple-salesforce.

Import it where something is read: with what it brings along it takes 8 MB, which processes that only write
do without.
"""

from __future__ import annotations

from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import SalesforceError
from simple_salesforce.format import SoqlFormatter

__all__ = ["Salesforce", "SalesforceError", "SoqlFormatter"]
