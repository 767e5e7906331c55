"""
This module is a web process with nothing but the receiver, to see its own cost.

Run as a program, it makes an endpoint and prints its path and its secret.
"""

from __future__ import annotations

import json

import django

django.setup()

from flows.receiver import Receiver  # noqa: E402  # Django has to be set up before
from integrator.processes import collect_rarely  # noqa: E402  # as above
from tests.receiving import SECRET, alone, an_endpoint  # noqa: E402  # as above

application = alone(Receiver())

if __name__ != "__main__":
    collect_rarely()  # as every web process does
else:
    print(json.dumps({"path": str(an_endpoint()), "secret": SECRET}))
