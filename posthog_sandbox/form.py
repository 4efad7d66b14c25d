"""Bodies of writing requests: JSON, or a form with a file.

Belongs here: taking `application/json` and `multipart/form-data` apart. Does not belong here: what the
fields mean.
"""

import email.policy
import json
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from starlette.requests import Request

from posthog_sandbox.refusals import Refusal

_WORDS = {"true": True, "false": False}


@dataclass(frozen=True)
class Form:
    """The fields of a body, and its files by name."""

    fields: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)


async def read_form(request: Request) -> Form:
    """The request's body.

    Raises:
        Refusal: 400 or 415, as PostHog's parsers answer.
    """
    body = await request.body()
    kind = request.headers.get("content-type", "application/json")
    if kind.startswith("multipart/form-data"):
        return _multipart(kind, body)
    if not kind.startswith("application/json"):
        detail = f'Unsupported media type "{kind}" in request.'
        raise Refusal(415, "invalid_request", "unsupported_media_type", detail)
    try:
        fields = json.loads(body or b"{}")
    except ValueError as error:
        raise Refusal(
            400, "validation_error", "malformed_json", f"JSON parse error - {error}"
        ) from None
    if not isinstance(fields, dict):
        raise Refusal(
            400, "validation_error", "invalid_input", "Invalid data. Expected a dictionary."
        )
    return Form(fields)


def _multipart(kind: str, body: bytes) -> Form:
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(EmailMessage, policy=email.policy.HTTP).parsebytes(head + body)
    fields: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    for part in message.iter_parts():
        name = str(part.get_param("name", "", "content-disposition"))
        content = part.get_payload(decode=True)
        if not isinstance(content, bytes):
            continue
        if part.get_filename() is not None:
            files[name] = content
        else:
            text = content.decode()
            fields[name] = _WORDS.get(text.lower(), text)
    return Form(fields, files)
