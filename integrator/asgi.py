"""This module is the web process: it hands each connection to the receiver, to the sockets or to Django."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any, cast

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrator.settings")
django_application = get_asgi_application()

# Django has to be set up before anything that imports models.
from flows.receiver import Receiver  # noqa: E402  # as above
from integrator.assets import assets  # noqa: E402  # as above
from integrator.bodies import BoundedBodies  # noqa: E402  # as above
from integrator.health import RECEIVER_READY  # noqa: E402  # as above
from integrator.processes import collect_rarely  # noqa: E402  # as above
from monitoring.follow import Follower  # noqa: E402  # as above
from monitoring.live import websocket_urlpatterns  # noqa: E402  # as above

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

HOOKS = "/hooks/stripe/"


class Application:
    """
    Everything that one web process answers.

    Webhooks are served before Django sees them: Django reads a whole body before any view and
    costs ten times as much. The lifespan starts and stops what runs beside the requests.
    """

    def __init__(self) -> None:
        self.receiver = Receiver()
        self.follower = Follower()
        self.assets = assets(django_application)
        self.pages = BoundedBodies(django_application)
        routes = URLRouter([*websocket_urlpatterns, re_path("", cast(Any, _no_such_socket))])
        self.sockets = AllowedHostsOriginValidator(AuthMiddlewareStack(routes))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan."""
        match scope["type"]:
            case "lifespan":
                await self._live(receive, send)
            case "websocket":
                await self.sockets(scope, receive, send)
            case _ if scope["path"].startswith(HOOKS):
                await self.receiver(scope, receive, send)
            case _ if scope["path"].startswith(settings.STATIC_URL):
                await self.assets(scope, receive, send)
            case _:
                scope = {**scope, RECEIVER_READY: self.receiver.ready()}
                await self.pages(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.receiver.startup()
        await self.follower.start()
        collect_rarely()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.follower.stop()
        await self.receiver.shutdown()
        await send({"type": "lifespan.shutdown.complete"})


async def _no_such_socket(scope: Scope, receive: Receive, send: Send) -> None:
    """Close a socket at an address where there is none."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


application = Application()
