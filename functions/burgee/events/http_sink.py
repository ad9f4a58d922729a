"""Sends records to a service's `POST /v1/events`, from an application that evaluates in-process."""

from __future__ import annotations

import json
import logging
from http.client import HTTPException
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request

from burgee.errors import SinkUnavailable
from burgee.events.records import KEYS, MAX_BYTES, MAX_RECORDS
from burgee.events.sinks import packed
from burgee.events.usage_records import USAGE, as_sent
from burgee.http_client import send, service_address
from burgee.plurals import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.events.records import Record

_LOG = logging.getLogger("burgee")
_FRAME = b'{"events":[%s]}'


class HttpSink:
    """Sends to the service at `url`, with a server key if it requires one.

    The service adds the project and environment, and names the units.
    """

    def __init__(self, url: str, *, key: str | None = None, timeout: float = 5.0) -> None:
        self._url = service_address(url, "/v1/events")
        self._headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        self._timeout = timeout

    def write(self, records: Sequence[Record]) -> None:
        """See Sink. Rejected records are logged and not sent again, as they would be rejected again."""
        sent = [_as_sent(record) for record in records]
        for group in packed([data + b"," for data in sent], MAX_BYTES - len(_FRAME), MAX_RECORDS):
            answer = self._post(_FRAME % b"".join(group)[:-1])
            if answer["rejected"]:
                rejected = counted(len(answer["rejected"]), "record was", "records were")
                _LOG.warning("%s rejected, such as %s", rejected, answer["rejected"][0])

    def _post(self, body: bytes) -> Any:
        request = Request(self._url, body, self._headers)  # noqa: S310 - checked above
        try:
            with send(request, self._timeout) as answer:
                return json.loads(answer.read())
        except HTTPError as error:
            with error:
                raise SinkUnavailable(f"{self._url} answered {error.code}") from error
        except (OSError, HTTPException, ValueError) as error:
            raise SinkUnavailable(f"{self._url} did not accept the records: {error}") from error


def _as_sent(record: Record) -> bytes:
    """A record as a client sends it, without the fields that the service adds."""
    if record["type"] == USAGE:
        return json.dumps(as_sent(record), separators=(",", ":")).encode()
    sent_keys = {key: value for key, value in record.items() if key in KEYS[record["type"]] and value is not None}
    return json.dumps({**sent_keys, "time": record["time"] / 1000}, separators=(",", ":")).encode()
