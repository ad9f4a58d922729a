"""A source that follows a service's release and overrides, so that another process answers as the service would."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request

from burgee.errors import Corrupt, Denied, StoreUnavailable
from burgee.evaluation.ruleset import Ruleset
from burgee.evaluation.snapshots import as_snapshot, uncollected
from burgee.http_client import send, service_address
from burgee.model import Override
from burgee.serving.serving import CanaryRollout, Served
from burgee.stores import Canary

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 32 * 1024 * 1024


class HttpSource:
    """Polls `GET {url}/ruleset` with its last ETag; an unchanged ruleset costs a 304 without a body."""

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 5.0) -> None:
        self._url = service_address(url, "/ruleset")
        self._headers = {"Accept": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._timeout = timeout
        self._etag: str | None = None

    def poll(self) -> Served | None:
        """The service's ruleset, None if it has not changed."""
        held = {"If-None-Match": self._etag} if self._etag else {}
        request = Request(self._url, headers={**self._headers, **held})  # noqa: S310 - checked above
        try:
            with send(request, self._timeout) as answer:
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
        return Served(current, version, str(body["source"]), rollout)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Corrupt(f"this is not a ruleset: {error!r}") from error


def _ruleset(body: Mapping[str, Any], overrides: list[Override]) -> Ruleset:
    return Ruleset(as_snapshot(body["snapshot"]), overrides, body["release"])


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
