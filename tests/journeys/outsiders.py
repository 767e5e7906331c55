"""
This module is everybody besides Stripe and Salesforce to whom the product shows a secret, and who refuses it.

A receiver of alerts and a hosted model repeat what they were shown, as such services do.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.utils import timezone

from flows import explanations, second_opinion
from flows.mapping.suggest import SObjField, SrcField, suggest_for_fields
from flows.models import DeadLetter
from integrator.accounts.models import User
from monitoring import alerts, channels, courier
from monitoring.models import AlertChannel, AlertDelivery, AlertDispatch
from monitoring.posting import Post
from tests.builders import a_workspace
from tests.integration.monitoring.mail_server import HOST, Letterbox, listening
from tests.integration.monitoring.told import Heard, a_listener, a_rule
from tests.stage import free_port

HOOK = "canaryHook4eC39HqLyjW"  # the part of an address that is as good as a password
MODEL_KEY = "canaryModelKey4eC39HqLyjW"
EXPLAIN_KEY = "canaryExplainKey4eC39HqLyjW"
MAIL_PASSWORD = "canary password of the mail server"


class Outsiders:
    """Those whom the product talks to, and the secrets that it has for them."""

    def __init__(self, hook: Heard, model: Heard) -> None:
        self._hook, self._model = hook, model
        self.signing = self.seed = ""
        hook.answers = [(404, f"Cannot POST /hook/secret-part/{HOOK}")]
        model.answers = [(401, f"Incorrect API key provided: {MODEL_KEY} or {EXPLAIN_KEY}")]

    def enter(self, person: User) -> None:
        """Enter a channel of alerts, and a second factor of a person."""
        channel, self.signing = channels.add(
            workspace=a_workspace(),
            kind=AlertChannel.Kind.WEBHOOK,
            given=channels.Given(name="Pager", url=f"{self._hook.address}/{HOOK}"),
            actor="axel",
            now=timezone.now(),
        )
        a_rule(channel)
        self.seed = generate_totp_secret()
        Authenticator.objects.create(
            user=person, type=Authenticator.Type.TOTP, data={"secret": get_adapter().encrypt(self.seed)}
        )

    def refuse(self) -> None:
        """Let alerts be told, and the models be asked, and let everybody refuse that."""
        now = timezone.now()
        alerts.evaluate(now=now)
        courier.deliver(now=now)
        Post().deliver(now=now)
        assert "404" in AlertDispatch.objects.exclude(answer="").latest("id").answer
        assert "535" in AlertDelivery.objects.exclude(failure="").latest("id").failure
        with pytest.raises(explanations.NotExplained, match="401"):
            explanations.explain(DeadLetter.objects.latest("id"), actor="axel", now=now)
        sources = [
            SrcField("charge.amount", "amount", samples=(1999,), desc="Amount intended to be collected."),
            SrcField("charge.amount_captured", "amount", samples=(1999,)),
        ]
        targets = [SObjField("Amount__c", "Amount", "currency")]
        second_opinion.ask(suggest_for_fields(sources, targets), sources, targets)
        shown = {headers.get("authorization") for headers, _ in self._model.posts}
        assert shown == {f"Bearer {MODEL_KEY}", f"Bearer {EXPLAIN_KEY}"}

    def secrets(self) -> dict[str, str]:
        """Return every secret by what it is."""
        return {
            "address of a channel": HOOK,
            "secret of a channel": self.signing.removeprefix("whsec_"),
            "key of the model that suggests": MODEL_KEY,
            "key of the model that explains": EXPLAIN_KEY,
            "password of the mail server": MAIL_PASSWORD,
            "seed of a second factor": self.seed,
        }


@contextmanager
def outsiders(settings: Any) -> Iterator[Outsiders]:
    """Yield all of them, and let the settings name them."""
    settings.MAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = HOST, free_port(), 5
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "integrator", MAIL_PASSWORD
    strict = {"authenticator": lambda *_: AuthResult(success=False, handled=False), "auth_require_tls": False}
    with a_listener() as hook, a_listener() as model, listening(Letterbox(), settings.EMAIL_PORT, **strict):
        settings.SUGGESTIONS_MODEL_URL = settings.EXPLAIN_URL = model.address
        settings.SUGGESTIONS_MODEL = settings.EXPLAIN_MODEL = "a-model"
        settings.SUGGESTIONS_MODEL_KEY, settings.EXPLAIN_KEY = MODEL_KEY, EXPLAIN_KEY
        yield Outsiders(hook, model)
