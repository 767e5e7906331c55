"""The real watching process: something goes wrong, an administrator has a mail, and it ends when asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from connectors.models import Connection
from monitoring.models import Alert, Duty
from tests.builders import a_pair, a_person
from tests.integration.monitoring.mail_server import HOST, Letterbox, listening
from tests.stage import free_port, until

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_connection_that_leads_elsewhere_is_mailed_within_seconds() -> None:
    pair, port, box = a_pair(), free_port(), Letterbox()
    a_person("root@acme.test", "admin")
    pair.stripe.pause(reason="It has no key, and that would be one more incident.")
    Connection.objects.filter(pk=pair.salesforce_id).update(
        state="resting", state_reason="The credential leads to 00D2, but this connection is for 00D1."
    )

    with listening(box, port):
        process = subprocess.Popen([sys.executable, "manage.py", "watch"], env=_env(port), cwd=ROOT)
        try:
            until(lambda: bool(box.mails), seconds=60, what="the mail arrives")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=60) == 0
        finally:
            process.kill()
            process.wait()

    ((recipient, mail),) = box.mails
    assert recipient == "root@acme.test"
    assert mail["Subject"] == "[Acme] Salesforce leads to the wrong place"
    assert "leads to 00D2" in mail.get_content()
    assert Alert.objects.open().get().kind == "connection_misdirected"
    assert set(Duty.objects.values_list("holder", flat=True)) == {""}  # given back, for another to begin


def _env(port: int) -> dict[str, str]:
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        url = f"postgres://{database['USER']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return os.environ | {
        "DATABASE_URL": url,
        "DJANGO_SETTINGS_MODULE": "integrator.settings",
        "SECRET_KEY": settings.SECRET_KEY,
        "INTEGRATOR_ENCRYPTION_KEYS": ",".join(settings.ENCRYPTION_KEYS),
        "INTEGRATOR_SANDBOX": "1",
        "EMAIL_URL": f"smtp://{HOST}:{port}",
    }
