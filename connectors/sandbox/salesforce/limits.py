"""This module counts API calls against the org's limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from connectors.sandbox.salesforce.answers import refused

# Name, maximum; what a Developer Edition shows, a part of it.
OTHERS = (
    ("ConcurrentAsyncGetReportInstances", 200),
    ("ConcurrentSyncReportRuns", 20),
    ("DailyAsyncApexExecutions", 250_000),
    ("DailyBulkApiBatches", 15_000),
    ("DailyBulkV2QueryFileStorageMB", 976_562),
    ("DailyBulkV2QueryJobs", 10_000),
    ("DailyDeliveredPlatformEvents", 10_000),
    ("DailyGenericStreamingApiEvents", 10_000),
    ("DailyStandardVolumePlatformEvents", 10_000),
    ("DailyWorkflowEmails", 1_000),
    ("DataStorageMB", 5),
    ("FileStorageMB", 20),
    ("HourlyPublishedPlatformEvents", 50_000),
    ("HourlyPublishedStandardVolumePlatformEvents", 1_000),
    ("MassEmail", 10),
    ("MonthlyPlatformEventsUsageEntitlement", 0),
    ("SingleEmail", 15),
)


@dataclass(slots=True)
class Limits:
    """The day's API calls: how many are allowed and how many were made."""

    daily: int = 1_000_000
    used: int = 0
    refusals: int = 0

    def count_call(self) -> None:
        """
        Count one call.

        :raises Refused: if the day's calls are used up
        """
        if self.used >= self.daily:
            self.refusals += 1
            raise refused("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1

    @property
    def header(self) -> str:
        """Return the value of `Sforce-Limit-Info`."""
        return f"api-usage={self.used}/{self.daily}"

    def as_json(self) -> dict[str, Any]:
        """Return the body of the limits resource."""
        told: dict[str, Any] = {
            "DailyApiRequests": {"Max": self.daily, "Remaining": max(0, self.daily - self.used)}
        }
        told.update({name: {"Max": maximum, "Remaining": maximum} for name, maximum in OTHERS})
        return dict(sorted(told.items()))
