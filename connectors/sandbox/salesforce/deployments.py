"""This module remembers the deployments of metadata to the org, and tells them as the API does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from connectors.sandbox.salesforce.ids import new_id

# What a caller may leave out. https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_rest_deploy.htm
OPTIONS: dict[str, Any] = {
    "allowMissingFiles": False,
    "autoUpdatePackage": False,
    "checkOnly": False,
    "ignoreWarnings": False,
    "performRetrieve": False,
    "purgeOnDelete": False,
    "rollbackOnError": True,
    "runTests": None,
    "singlePackage": False,
    "testLevel": None,
}


@dataclass(slots=True)
class Message:
    """What became of one component."""

    type: str
    full_name: str
    file_name: str
    problem: str = ""
    created: bool = False
    changed: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the message as the API words it."""
        return {
            "changed": self.changed,
            "columnNumber": None,
            "componentType": self.type,
            "created": self.created,
            "deleted": False,
            "fileName": self.file_name,
            "fullName": self.full_name,
            "id": None,
            "lineNumber": None,
            "problem": self.problem or None,
            "problemType": "Error" if self.problem else None,
            "requiresProductionTestRun": False,
            "success": not self.problem,
            "warning": False,
        }


@dataclass(slots=True)
class Deployment:
    """One deployment: it is done at once, and says so from the second look on, as a quick one does."""

    id: str
    options: dict[str, Any]
    user_id: str
    username: str
    at: str
    messages: list[Message] = field(default_factory=list)
    looks: int = 0

    @property
    def failures(self) -> list[Message]:
        """Return what was said about the components that cannot be deployed."""
        return [message for message in self.messages if message.problem]

    def result(self, *, details: bool) -> dict[str, Any]:
        """Return the deployment's result as the API words it."""
        self.looks += 1
        done = self.looks > 1
        failures = self.failures
        told = {
            "checkOnly": self.options["checkOnly"],
            "completedDate": self.at if done else None,
            "createdBy": self.user_id,
            "createdByName": self.username,
            "createdDate": self.at,
            "done": done,
            "id": self.id,
            "ignoreWarnings": self.options["ignoreWarnings"],
            "lastModifiedDate": self.at,
            "numberComponentErrors": len(failures) if done else 0,
            "numberComponentsDeployed": len(self.messages) - len(failures) if done else 0,
            "numberComponentsTotal": len(self.messages),
            "numberTestErrors": 0,
            "numberTestsCompleted": 0,
            "numberTestsTotal": 0,
            "rollbackOnError": self.options["rollbackOnError"],
            "runTestsEnabled": False,
            "startDate": self.at,
            "status": "InProgress" if not done else "Failed" if failures else "Succeeded",
            "success": done and not failures,
        }
        if details:
            told["details"] = self._details(done=done)
        return told

    def _details(self, *, done: bool) -> dict[str, Any]:
        messages = self.messages if done else []
        return {
            "componentFailures": [message.as_json() for message in messages if message.problem],
            "componentSuccesses": [message.as_json() for message in messages if not message.problem],
            "retrieveResult": None,
            "runTestResult": {
                "numFailures": 0,
                "numTestsRun": 0,
                "totalTime": 0.0,
                "failures": [],
                "successes": [],
            },
        }


@dataclass(slots=True)
class Deployments:
    """The deployments of the org."""

    known: dict[str, Deployment] = field(default_factory=dict)

    def begin(self, options: dict[str, Any], *, user_id: str, username: str, at: str) -> Deployment:
        """Return a new deployment with these options."""
        id18 = new_id("0Af", len(self.known) + 1)
        self.known[id18] = Deployment(id18, {**OPTIONS, **options}, user_id, username, at)
        return self.known[id18]
