"""This module is an ASGI application with nothing but the receiver, for a process that will be killed."""

from __future__ import annotations

import django

django.setup()

from flows.committer import Committer  # noqa: E402  # Django has to be set up before
from flows.receiver import Receiver  # noqa: E402  # as above
from tests.receiving import alone  # noqa: E402  # as above

application = alone(Receiver(committer=Committer(ring=lambda: None)))
