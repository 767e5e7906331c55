"""This module gives the tests their settings: the product's own, with keys and a database of their own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "x" * 50)
os.environ.setdefault("INTEGRATOR_ENCRYPTION_KEYS", "dGVzdHMtb25seS10ZXN0cy1vbmx5LXRlc3RzLW9ubHk=")
os.environ.setdefault("INTEGRATOR_SANDBOX", "1")
os.environ.setdefault("INTEGRATOR_PUBLIC_URL", "http://testserver")
os.environ.setdefault("ALLOWED_HOSTS", "testserver,127.0.0.1,localhost")
os.environ.setdefault("LOG_LEVEL", "WARNING")
_FOLDER = Path(tempfile.mkdtemp(prefix="integrator-tests-"))
os.environ.setdefault("DATABASE_URL", f"sqlite:///{_FOLDER / 'db.sqlite3'}")

from integrator.settings import *  # noqa: E402, F403  # the environment has to be ready before
from integrator.settings import DATABASES, SQLITE  # noqa: E402  # as above

if SQLITE:
    # A file, not memory: threads and other processes have to see the same rows.
    DATABASES["default"]["TEST"] = {"NAME": str(_FOLDER / "test.sqlite3")}
STATIC_ROOT = _FOLDER / "static"
MODELS_FOLDER = str(_FOLDER / "models")  # a model of this installation must not help
# Counts of failed sign-ins must not be shared with tests that run at the same time.
CACHES = {"default": {"BACKEND": "tests.caching.AsJson"}}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
