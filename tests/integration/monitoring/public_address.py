"""This module answers over https at a public name, by a certificate that one has to believe."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from connectors import outbound

NAME = "integrator.example.com"


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for `NAME` that nobody has signed but itself, and return it and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret = serialization.NoEncryption()
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    )
    return paths


@contextlib.contextmanager
def answers(said: bytes, folder: Path, *, believed: bool) -> Iterator[str]:
    """Say the same to whoever asks at `NAME`, whose certificate our calls believe, and return the address."""
    paths, session = certificate(folder), outbound.Session()
    session.verify = str(paths[0]) if believed else True

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked may have heard enough
                self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Keep still."""

    meant = socket.getaddrinfo

    def looked_up(host: str, *args: object, **named: object) -> object:
        return meant("127.0.0.1" if host == NAME else host, *args, **named)  # type: ignore[arg-type]  # as it came

    with pytest.MonkeyPatch.context() as patched, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        patched.setattr(socket, "getaddrinfo", looked_up)
        patched.setattr(outbound, "session", lambda: session)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*paths)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"https://{NAME}:{server.server_port}"
        finally:
            session.close()
            server.shutdown()
            thread.join()
