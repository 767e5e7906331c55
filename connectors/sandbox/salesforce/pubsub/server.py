"""This module runs the Pub/Sub API of an org on a port of its own, with TLS."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc

from connectors.sandbox.salesforce.pubsub import certificates

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.pubsub.service import Service

HOST = "127.0.0.1"
WORKERS = 64  # threads, of which each open stream keeps one busy
STOPPING = 2.0  # seconds that open calls may take to end


class Server:
    """The gRPC server of one org: it has a port from `start` to `stop`."""

    def __init__(self, service: Service, port: int = 0) -> None:
        self._service = service
        self._wanted = port
        self._server: grpc.Server | None = None
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="pubsub")
        self.endpoint = ""  # host and port
        self.authority = ""  # the certificate to trust, in PEM

    def start(self) -> None:
        """
        Make certificates and listen.

        :raises OSError: if the port is taken
        """
        made = certificates.make()
        server = grpc.server(
            self._threads,
            handlers=(self._service.handlers(),),
            options=(("grpc.so_reuseport", 0),),
        )
        tls = grpc.ssl_server_credentials([(made.key, made.server)])
        try:
            port = server.add_secure_port(f"{HOST}:{self._wanted}", tls)
        except RuntimeError as reason:
            raise OSError(f"The port {self._wanted} of the Pub/Sub API is taken") from reason
        self.endpoint, self.authority = f"{HOST}:{port}", made.authority.decode()
        server.start()
        self._server = server

    def stop(self) -> None:
        """End every call and close the port."""
        if self._server is not None:
            self._server.stop(grace=None).wait(STOPPING)
        self._threads.shutdown(wait=False)
