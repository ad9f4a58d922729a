"""A source that follows a service's release and overrides, so that another process answers as the service would."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request

from burgee.errors import Corrupt, Denied, StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import as_snapshot, uncollected
from burgee.http_client import send, service_address
from burgee.model import Override
from burgee.serving.seen import own_name
from burgee.serving.serving import CanaryRollout, Served
from burgee.stores import Canary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from burgee.serving.serving import Taken

EVALUATOR = "Burgee-Evaluator"
"""The header field in which this process names itself, and so that it evaluates with the ruleset that it has."""
MAX_BYTES = 32 * 1024 * 1024


class HttpSource:
    """Polls `GET {url}/ruleset` with its last ETag; an unchanged ruleset costs a 304 without a body.

    `notified` is the position of which it was notified last: a service that is behind it reads its store first.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 5.0) -> None:
        self._url = service_address(url, "/ruleset")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._timeout = timeout
        self._etag: str | None = None
        self.notified = ""

    def poll(self) -> Served | None:
        """The service's ruleset, None if it has not changed."""
        try:
            with send(self._request(), self._timeout) as answer:
                data, etag = answer.read(MAX_BYTES + 1), answer.headers.get("ETag")
        except HTTPError as error:
            with error:
                self._refuse(error.code)
            return None
        except (OSError, HTTPException) as error:
            raise StoreUnavailable(f"{self._url} did not answer: {error}") from error
        served = read(data)
        self._etag = etag
        return served

    def confirm(self, _taken: Sequence[Taken]) -> None:
        """Says to the service that this process evaluates with what it has; nothing depends on it."""
        try:
            send(self._request(**{EVALUATOR: own_name()}), self._timeout).close()
        except HTTPError as error:  # such as 304, which is the confirmation
            error.close()
        except (OSError, HTTPException):
            return

    def _request(self, **headers: str) -> Request:
        held = {"If-None-Match": self._etag} if self._etag else {}
        query = f"?flagConfigEtag={quote(self.notified)}" if self.notified else ""
        return Request(self._url + query, headers={**self._headers, **held, **headers})  # noqa: S310 - checked above

    def _refuse(self, status: int) -> None:
        if status in {401, 403}:
            raise Denied(f"{self._url} answered {status}: the key is missing, wrong, or not a server key")
        if status != 304:
            raise StoreUnavailable(f"{self._url} answered {status}")


def read(data: bytes) -> Served:
    """Parses the body of `GET /ruleset`. Raises Corrupt if it is not a ruleset."""
    if len(data) > MAX_BYTES:
        raise Corrupt(f"the ruleset has more than {MAX_BYTES:,} bytes")
    try:
        with uncollected():
            body: dict[str, Any] = json.loads(data, parse_constant=_refuse)
        overrides = [Override(**override) for override in body["overrides"]]
        current, version = _ruleset(body, overrides), int(body["version"])
        rollout, base = None, body.get("trial")
        if base is not None:
            rollout = CanaryRollout(current, _ruleset(base, overrides), version, Canary(**base["bake"]))
        return Served(current, version, str(body["source"]), rollout, int(body.get("revision", 0)))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(f"this is not a ruleset: {error!r}") from error


def _ruleset(body: Mapping[str, Any], overrides: list[Override]) -> Ruleset:
    return Ruleset(as_snapshot(body["snapshot"]), overrides, body["release"])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
