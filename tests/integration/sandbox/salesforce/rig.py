"""This module runs the simulated org on a loopback port and talks to it as an outsider would."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import jwt
import requests
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from requests.adapters import HTTPAdapter

from connectors.sandbox.salesforce.app import create

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = "/services/data/v67.0"
USERNAME = "integration@acme.example"
CONSUMER_KEY = "3MVG9.integrator"
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC_PEM = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@contextlib.contextmanager
def served(**settings: Any) -> Iterator[str]:
    """Serve a new org and give its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create(**settings), log_level="warning", lifespan="on"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(5)
        listener.close()


class Outsider:
    """A client that knows nothing of the product: it has an address and an access token."""

    def __init__(self, address: str, token: str = "", client: str = "") -> None:
        self.address = address
        self.http = requests.Session()
        if token:
            self.http.headers["Authorization"] = f"Bearer {token}"
        if client:
            self.http.headers["Sforce-Call-Options"] = f"client={client}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """Call a resource of the API version in force."""
        return self.http.request(method, self.address + VERSION + path, timeout=60, **more)

    def get(self, path: str, **more: Any) -> requests.Response:
        """Read a resource."""
        return self.call("GET", path, **more)

    def post(self, path: str, body: Any, **more: Any) -> requests.Response:
        """Create."""
        return self.call("POST", path, json=body, **more)

    def patch(self, path: str, body: Any, **more: Any) -> requests.Response:
        """Change."""
        return self.call("PATCH", path, json=body, **more)

    def delete(self, path: str, **more: Any) -> requests.Response:
        """Delete."""
        return self.call("DELETE", path, **more)

    def query(self, soql: str, **more: Any) -> requests.Response:
        """Run a query."""
        return self.get("/query", params={"q": soql}, **more)

    def names(self, soql: str) -> list[str]:
        """Return the names that a query finds, in its order."""
        return [row["Name"] for row in self.query(soql).json()["records"]]

    def upsert(self, record: dict[str, Any], sobject: str = "Payment__c", key: str = "External_ID__c") -> Any:
        """Upsert one record by its external id in the address."""
        body = {name: value for name, value in record.items() if name != key}
        return self.patch(f"/sobjects/{sobject}/{key}/{record[key]}", body)

    def collection(
        self, records: list[dict[str, Any]], sobject: str = "Payment__c", *, all_or_none: bool = False
    ) -> requests.Response:
        """Upsert many records by external id."""
        typed = [{"attributes": {"type": sobject}, **record} for record in records]
        path = f"/composite/sobjects/{sobject}/External_ID__c"
        return self.patch(path, {"allOrNone": all_or_none, "records": typed})

    def control(self, method: str, where: str, body: Any = None, **params: Any) -> Any:
        """Use a control endpoint."""
        answer = self.http.request(
            method, f"{self.address}/_sandbox/{where}", json=body, params=params, timeout=60
        )
        assert answer.status_code < 300, answer.text
        return answer.json()

    def another(self, client: str) -> Outsider:
        """Return another client with the same token."""
        token = str(self.http.headers["Authorization"]).removeprefix("Bearer ")
        return Outsider(self.address, token, client)


def login(
    address: str, *, key: str = PRIVATE_PEM, algorithm: str = "RS256", **claims: Any
) -> requests.Response:
    """Log in with an assertion; `claims` replace the usual ones."""
    usual = {"iss": CONSUMER_KEY, "sub": USERNAME, "aud": address, "exp": int(time.time()) + 180}
    assertion = jwt.encode({**usual, **claims}, key, algorithm=algorithm)
    return ask_for_token(address, grant_type=JWT_BEARER, assertion=assertion)


def ask_for_token(address: str, **form: str) -> requests.Response:
    """Post a form to the token endpoint."""
    return requests.post(f"{address}/services/oauth2/token", data=form, timeout=60)


class Loopback(HTTPAdapter):
    """Send what is meant for https://*.salesforce.com to the sandbox."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.target = urlsplit(address)

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        """Send the request to the sandbox instead."""
        asked = urlsplit(str(request.url))
        request.url = urlunsplit((self.target.scheme, self.target.netloc, *asked[2:]))
        return super().send(request, *args, **more)
