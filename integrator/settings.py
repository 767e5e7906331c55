"""This module reads the settings from the environment; `.env.example` explains each of them."""

from __future__ import annotations

import hashlib
import re
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from integrator import telemetry
from integrator.logs import configure as configure_logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
ENV_FILE = Path(env.str("INTEGRATOR_ENV_FILE", default=str(BASE_DIR / ".env")))
if ENV_FILE.is_file():
    env.read_env(ENV_FILE)

# What the product is, and where it answers

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("Set SECRET_KEY to a long random value (see .env.example).")
    SECRET_KEY = "for-development-only-" + "0" * 40

# Who tells the connectors what live flows want of either side: they know nothing of flows themselves.
ORG_NEEDS = "flows.org_needs.wanted_by"
STRIPE_NEEDS = "flows.stripe_needs.event_types"

PORT = env.int("PORT", default=8000)
PUBLIC_URL = env.str("INTEGRATOR_PUBLIC_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")
HTTPS = PUBLIC_URL.startswith("https://")
ALLOWED_HOSTS = env.list(
    "ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]", urlsplit(PUBLIC_URL).hostname or "localhost"]
)
FORWARDED_ALLOW_IPS = env.str("FORWARDED_ALLOW_IPS", default="127.0.0.1")
MOST_CONNECTIONS = env.int("INTEGRATOR_MOST_CONNECTIONS", default=2000)

# For each token and each person. Far above what people do: what is stopped is a program that goes astray.
API_READS_PER_MINUTE = env.int("INTEGRATOR_API_READS_PER_MINUTE", default=30_000)
API_CHANGES_PER_MINUTE = env.int("INTEGRATOR_API_CHANGES_PER_MINUTE", default=3_000)

# Who may read /metrics from another machine: whoever shows this token. Without one: this machine only.
METRICS_TOKEN = env.str("INTEGRATOR_METRICS_TOKEN", default="")

# Data keys, newest first: the first encrypts, all decrypt. Never made of SECRET_KEY: each is rotated alone.
ENCRYPTION_KEYS = env.list("INTEGRATOR_ENCRYPTION_KEYS", default=[])

# The first administrator's password, for `bootstrap` and `demo`; without it one is made and printed.
ADMIN_PASSWORD = env.str("INTEGRATOR_ADMIN_PASSWORD", default="")

# A base address on loopback is refused unless the sandbox is switched on.
SANDBOX = env.bool("INTEGRATOR_SANDBOX", default=False)

# The command that this process runs (set by manage.py): `serve` keeps a database pool, workers do not.
ROLE = env.str("INTEGRATOR_ROLE", default="")

ROOT_URLCONF = "integrator.urls"
ASGI_APPLICATION = "integrator.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "knox",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "django_htmx",
    "template_partials",
    "csp",
    "django_q",
    "integrator.apps.IntegratorConfig",
    "integrator.accounts",
    "connectors",
    "flows",
    "monitoring",
]

MIDDLEWARE = [
    "integrator.web.RequestId",
    "integrator.headers.Hardened",
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "integrator.accounts.sessions.NotesUse",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "monitoring.navigation.NewsFromHere",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "integrator.accounts.access.context",
            ],
        },
    }
]

# Data

DATABASES = {"default": env.db_url("DATABASE_URL", default=f"sqlite:///{VAR_DIR / 'integrator.sqlite3'}")}
DATABASES["default"].setdefault("OPTIONS", {})
SQLITE = DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3"
if SQLITE:
    # Django REST framework would load PostgreSQL's driver (9 MB) for fields that no model here has.
    sys.modules.setdefault("django.contrib.postgres.fields", None)  # type: ignore[arg-type]
    VAR_DIR.mkdir(mode=0o700, exist_ok=True)
    DATABASES["default"]["OPTIONS"].update(
        # Durable (FULL) and concurrent (WAL); writers queue for the one lock instead of failing (IMMEDIATE).
        init_command="PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; "
        # Also what replaces a row has to pass the triggers that keep the audit trail.
        "PRAGMA recursive_triggers=ON;",
        transaction_mode="IMMEDIATE",
        timeout=20,
    )
else:
    DATABASES["default"]["OPTIONS"].update(
        connect_timeout=5,
        options="-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
    )
    # A connection that died with a restarted server is found out before it is used, in the pool too.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    if ROLE == "serve":
        DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 12, "timeout": 5}
    else:
        DATABASES["default"]["CONN_MAX_AGE"] = None

# How long contents are kept; what still waits for somebody is kept for longer.
KEEP_EVENTS_DAYS = env.int("INTEGRATOR_KEEP_EVENTS_DAYS", default=30)
KEEP_TRACES_DAYS = env.int("INTEGRATOR_KEEP_TRACES_DAYS", default=30)
KEEP_CHANGES_DAYS = env.int("INTEGRATOR_KEEP_CHANGES_DAYS", default=7)
if min(KEEP_EVENTS_DAYS, KEEP_TRACES_DAYS, KEEP_CHANGES_DAYS) < 1:
    raise ImproperlyConfigured("Nothing can be kept for less than a day (INTEGRATOR_KEEP_..._DAYS).")

# How often the objects that live flows use are looked at; 0: never.
LOOK_AT_FIELDS_MINUTES = env.int("INTEGRATOR_LOOK_AT_FIELDS_MINUTES", default=60)
if LOOK_AT_FIELDS_MINUTES < 0:
    raise ImproperlyConfigured("INTEGRATOR_LOOK_AT_FIELDS_MINUTES is a number of minutes, or 0 for never.")

REDIS_URL = env.str("REDIS_URL", default="")
# A Redis that hangs must hold nobody up: whoever needs it goes on without it (integrator.patience).
REDIS_TIMEOUTS = {"socket_timeout": 1, "socket_connect_timeout": 1}  # seconds
# The pool waits for a job for a second at a time, and is started anew by its parent if Redis hangs.
_POOL_URL = f"{REDIS_URL}{'&' if '?' in REDIS_URL else '?'}socket_timeout=5&socket_connect_timeout=5"

# Installations that share one Redis must not answer each other's rings, so names there carry the database's.
_PLACE = ":".join(str(DATABASES["default"].get(part, "")) for part in ("HOST", "PORT", "NAME"))
INSTALLATION = f"integrator-{hashlib.sha256(_PLACE.encode()).hexdigest()[:12]}"

# Both are wake-ups only: the truth about live updates is the Change table.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [{"address": REDIS_URL, **REDIS_TIMEOUTS}], "prefix": INSTALLATION},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}

# A doorbell and a pool, never the truth (docs/concepts.md): a job drains for up to 20 s, so `timeout` is
# well above that and `retry` above `timeout`; a lost or doubled job is harmless.
LONGEST_TURN = 60  # seconds
WORKERS = env.int("INTEGRATOR_WORKERS", default=2)
if WORKERS < 1:
    raise ImproperlyConfigured("INTEGRATOR_WORKERS is a number of processes, at least 1.")
LONE_WORKER = WORKERS == 1  # one process needs no pool, whose four others take 110 MB
Q_CLUSTER = {
    "name": INSTALLATION,
    "workers": WORKERS,
    "timeout": LONGEST_TURN,
    "retry": 90,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "queue_limit": WORKERS,
    "bulk": 1,
    "poll": 0.4,  # seconds between two looks for a ring, where the database carries it
    "scheduler": False,
    "catch_up": False,
    "recycle": 10_000,
    "log_level": "WARNING",
    **({"redis": _POOL_URL} if REDIS_URL else {"orm": "default"}),
}

CACHES = {
    "default": {
        "BACKEND": "integrator.cache.SturdyRedis",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": INSTALLATION,
        "OPTIONS": {"serializer": "integrator.cache.JsonValues", **REDIS_TIMEOUTS},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# People and programs

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "integrator.accounts.passwords.NothingObvious"},
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "integrator.accounts.adapter.ClosedSignup"
MFA_ADAPTER = "integrator.accounts.adapter.SecondFactor"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_SESSION_REMEMBER = True  # a session lives as long as SESSION_COOKIE_AGE says; nobody is asked
KNOX_TOKEN_MODEL = "accounts.ApiToken"  # noqa: S105  # the name of a model
REST_KNOX = {"TOKEN_TTL": timedelta(days=90), "TOKEN_PREFIX": "igr_", "AUTH_HEADER_PREFIX": "Bearer"}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "integrator.accounts.tokens.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["integrator.accounts.access.HasPermission"],
    "DEFAULT_THROTTLE_CLASSES": ["integrator.accounts.limits.PerCaller"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "integrator.web.NewestFirst",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["integrator.nesting.ShallowJson"],
    "EXCEPTION_HANDLER": "integrator.web.problem",
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Integrator",
    "DESCRIPTION": "The bridge between Stripe and Salesforce that can prove it lost nothing.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "ConnectionState": "connectors.models.Connection.State",
        "RunState": "flows.models.Run.State",
        "Fate": "flows.models.Fate",
        "FindingState": "monitoring.status_api.STATES",
        "LinkState": "flows.models.Link.State",
        "MergeState": "flows.models.Merge.State",
        "EffectKind": "flows.models.Effect.Kind",
        "QuestionKind": "flows.models.Review.Kind",
        "AlertChannelKind": "monitoring.models.AlertChannel.Kind",
        "LetterResolution": "flows.models.DeadLetter.Resolution",
        "QuestionResolution": "flows.models.Review.Resolution",
    },
}

# The browser's side

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
TESTING = "pytest" in sys.modules  # templates are tested without collecting static files first
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or TESTING
        else "integrator.assets.Modules"
    },
}

# Browsers hold where a form leads to against the policy too, also where a proxy in front has people sign in.
FORM_TARGETS = env.list("INTEGRATOR_FORM_TARGETS", default=[])
if wrong := [
    target for target in FORM_TARGETS if not re.fullmatch(r"https://[a-z0-9.-]+(:\d{1,5})?", target)
]:
    raise ImproperlyConfigured(f"INTEGRATOR_FORM_TARGETS takes origins (https://host), not {wrong[0]!r}.")
# A hosted model that may choose among suggested mapping lines; off unless somebody sets it up.
SUGGESTIONS_MODEL_URL = env.str("INTEGRATOR_SUGGESTIONS_MODEL_URL", default="")
SUGGESTIONS_MODEL = env.str("INTEGRATOR_SUGGESTIONS_MODEL", default="")
SUGGESTIONS_MODEL_KEY = env.str("INTEGRATOR_SUGGESTIONS_MODEL_KEY", default="")
# A hosted model that may explain errors which only a person can mend; off unless somebody sets it up.
EXPLAIN_URL = env.str("INTEGRATOR_EXPLAIN_URL", default="")
EXPLAIN_MODEL = env.str("INTEGRATOR_EXPLAIN_MODEL", default="")
EXPLAIN_KEY = env.str("INTEGRATOR_EXPLAIN_KEY", default="")
if EXPLAIN_URL and not re.match(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", EXPLAIN_URL):
    raise ImproperlyConfigured("INTEGRATOR_EXPLAIN_URL takes an https:// address, or one of this machine.")
# A small model on this machine that compares what names mean; `ai_install_model` puts it into the folder.
SUGGESTIONS_EMBEDDING = env.bool("INTEGRATOR_SUGGESTIONS_EMBEDDING", default=False)
MODELS_FOLDER = env.str("INTEGRATOR_MODELS_FOLDER", default="") or str(VAR_DIR / "models")

CSP_REPORT_URL = env.str("INTEGRATOR_CSP_REPORT_URL", default="")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "frame-src": [NONE],
        "worker-src": [NONE],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, *FORM_TARGETS],
        **({"report-uri": [CSP_REPORT_URL]} if CSP_REPORT_URL else {}),
    }
}
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[PUBLIC_URL])
SESSION_ENGINE = "integrator.accounts.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60  # from signing in, however much it is used
SESSION_IDLE_MINUTES = env.int("INTEGRATOR_SESSION_IDLE_MINUTES", default=120)
if not 1 <= SESSION_IDLE_MINUTES <= SESSION_COOKIE_AGE // 60:
    raise ImproperlyConfigured("INTEGRATOR_SESSION_IDLE_MINUTES is a number of minutes from 1 to 720.")
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True  # pages carry the token themselves
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"  # no cookie of its own
if HTTPS:
    SECURE_SSL_REDIRECT = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
    SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"

# Language, time, mail, logs

LANGUAGE_CODE = "en"
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True
# Without a mail server no mail is sent: one with a link that resets a password has no place in a log.
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://" if DEBUG else "dummymail://")
vars().update(EMAIL_CONFIG)
# Mails that pages send become rows; the watching process, which knows the server, sends them.
MAIL_BACKEND = EMAIL_CONFIG["EMAIL_BACKEND"]
if MAIL_BACKEND == "django.core.mail.backends.smtp.EmailBackend":
    EMAIL_BACKEND = "monitoring.outbox.Outbox"
EMAIL_TIMEOUT = 10  # seconds for one answer of the mail server
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="integrator@localhost")
# Hosts of the own network to which alert channels may post; all others have to be public.
ALERT_PRIVATE_HOSTS = frozenset(
    name.strip().lower() for name in env.list("INTEGRATOR_ALERT_PRIVATE_HOSTS", default=[])
)

LOGGING_CONFIG = None
configure_logs(level=env.str("LOG_LEVEL", default="INFO"), plain=DEBUG, process=ROLE)

# Where spans are sent (OTLP over HTTP), and which part of the traces. Empty: nowhere, and nothing is loaded.
telemetry.configure(
    endpoint=env.str("INTEGRATOR_TRACES_ENDPOINT", default=""),
    sample=env.float("INTEGRATOR_TRACES_SAMPLE", default=1.0),
    process=ROLE,
)
