"""This module answers `metadata/deployRequest`: deploying a zip, and looking how far it is."""

from __future__ import annotations

import email.parser
import email.policy
from typing import TYPE_CHECKING, Any

import msgspec

from connectors.sandbox.salesforce.answers import Answer, as_json, nothing_there, refused
from connectors.sandbox.salesforce.calls import truth
from connectors.sandbox.salesforce.deployments import Message
from connectors.sandbox.salesforce.metadata.archive import unpack
from connectors.sandbox.salesforce.metadata.deploying import apply, rehearse
from connectors.sandbox.salesforce.metadata.markup import Unreadable

if TYPE_CHECKING:
    from connectors.sandbox.salesforce.calls import Call
    from connectors.sandbox.salesforce.deployments import Deployment

ZIP = "file"  # the name of the part that holds it


def metadata(call: Call) -> Answer:
    """
    Answer everything below `metadata`.

    https://developer.salesforce.com/docs/atlas.en-us.api_meta.meta/api_meta/meta_rest_deploy.htm

    :raises Refused: with the error of the real resource
    """
    if not call.user.admin:
        message = (
            "You do not have access to the Metadata API: 'Modify Metadata Through Metadata API Functions'"
        )
        raise refused("INSUFFICIENT_ACCESS", message)
    segments = call.segments[1:]
    if not segments or segments[0].lower() != "deployrequest" or len(segments) > 2:
        raise nothing_there()
    if len(segments) == 1:
        call.allow("POST")
        return _deploy(call)
    call.allow("GET")
    deployment = call.org.deployments.known.get(segments[1])
    if deployment is None:
        raise nothing_there()
    details = truth(call.query.get("includeDetails"))
    return as_json(_told(call, deployment, deployment.result(details=details)))


def _told(call: Call, deployment: Deployment, result: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "validatedDeployRequestId": None,
        "id": deployment.id,
        "url": f"/services/data/v{call.version}/metadata/deployRequest/{deployment.id}",
        "deployResult": result,
        "deployOptions": deployment.options,
    }


def _deploy(call: Call) -> Answer:
    options, packed = _parts(call)
    deployment = call.org.deployments.begin(
        options, user_id=call.user.id, username=call.user.username, at=call.org.now()
    )
    try:
        archive = unpack(packed)
    except Unreadable as reason:
        deployment.messages.append(Message("", "package.xml", "package.xml", str(reason)))
        return as_json(_told(call, deployment, None), 201)
    stage = rehearse(call.org, archive.components)
    deployment.messages += [*archive.problems, *stage.messages]
    if not deployment.options["checkOnly"] and not deployment.failures:
        apply(stage)
    return as_json(_told(call, deployment, None), 201)


def _parts(call: Call) -> tuple[dict[str, Any], bytes]:
    """Return the options and the zip of a multipart body."""
    content_type = call.headers.get("content-type", "")
    if not content_type.startswith("multipart/form-data"):
        raise refused("UNSUPPORTED_MEDIA_TYPE", f"Content-Type '{content_type}' is not supported")
    head = f"Content-Type: {content_type}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    whole = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + call.body)
    options: dict[str, Any] | None = None
    packed: bytes | None = None
    for part in whole.iter_parts():
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        if part.get_param("name", header="content-disposition") == ZIP:
            packed = content
        elif part.get_content_type() == "application/json":
            options = _options(content)
    if options is None or packed is None:
        raise refused("INVALID_MULTIPART_REQUEST", "The request needs deployOptions and the file to deploy.")
    return options, packed


def _options(content: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(content)
    except (msgspec.DecodeError, ValueError) as reason:
        raise refused("JSON_PARSER_ERROR", f"{reason} at [line:1, column:1]") from reason
    options = told.get("deployOptions") if isinstance(told, dict) else None
    if not isinstance(options, dict):
        raise refused("JSON_PARSER_ERROR", "deployOptions: an object is expected at [line:1, column:1]")
    if not options.get("rollbackOnError", True):
        raise refused("INVALID_OPERATION", "The sandbox deploys everything or nothing: rollbackOnError.")
    return options
