"""Request ids, and the header fields of answers."""

from __future__ import annotations

from os import urandom
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

    from burgee.web.exchange import Exchange
    from burgee.web.replies import Header

_SAFE = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
_LONGEST = 64
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_EVERY = [
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    _POLICY,
]
_REFERRER = (b"referrer-policy", b"no-referrer")
_TRANSPORT = (b"strict-transport-security", b"max-age=31536000")
_UNCACHED = (b"cache-control", b"private, no-cache")


def request_id(scope: Scope, fields: Mapping[bytes, bytes]) -> bytes:
    """The client's request id if it is valid, else Lambda's, else a new one."""
    given = fields.get(b"x-request-id")
    if given and len(given) <= _LONGEST and not given.translate(None, _SAFE):
        return given
    context = scope.get("aws.context")
    given_by_lambda = None if context is None else getattr(context, "aws_request_id", None)
    if given_by_lambda:
        return str(given_by_lambda).encode()
    return urandom(8).hex().encode()


def headers(exchange: Exchange, given: Sequence[Header]) -> list[Header]:
    """The header fields of an answer: its own (`given`), those of its exchange, and the common ones."""
    fields = [*given, *exchange.headers, *_EVERY, (b"x-request-id", exchange.request_id)]
    if exchange.policy is not None:
        fields[fields.index(_POLICY)] = (b"content-security-policy", exchange.policy)
        fields.append(_REFERRER)
    if exchange.scope.get("scheme") == "https":
        fields.append(_TRANSPORT)
    for name, _ in given:
        if name == b"cache-control":
            break
    else:
        fields.append(_UNCACHED)
    if exchange.version is not None:
        fields.append((b"burgee-release", b"%d" % exchange.version))
    elif exchange.tenant is not None:
        fields.append((b"burgee-release", b"%d" % exchange.serving.status().version))
    return fields
