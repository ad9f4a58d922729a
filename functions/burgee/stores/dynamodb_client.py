"""botocore's client of DynamoDB; evaluators have one of their own, `burgee.stores.dynamodb_http`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.config import Config
from botocore.session import get_session

from burgee.errors import Corrupt, StoreUnavailable
from burgee.stores.dynamodb_table import failures

if TYPE_CHECKING:
    from collections.abc import Mapping


def connect(endpoint_url: str | None, config: Mapping[str, Any]) -> Any:
    """A client that refuses malformed answers. Raises StoreUnavailable if it cannot be configured."""
    try:
        client = get_session().create_client("dynamodb", endpoint_url=endpoint_url, config=Config(**config))
    except failures() as error:
        raise StoreUnavailable(f"DynamoDB: {error}") from error
    except ValueError as error:  # an address that is none
        raise StoreUnavailable(f"DynamoDB: {error}") from error
    client.meta.events.register("before-parse.dynamodb", _refuse_malformed)
    return client


def _refuse_malformed(response_dict: Mapping[str, Any], **_more: Any) -> None:
    """Raises Corrupt for an answer that is not a JSON object: botocore treats it as one without items."""
    if response_dict["status_code"] == 200:
        answer = json.loads(response_dict["body"])
        if not isinstance(answer, dict) or not isinstance(answer.get("Item", {}), dict):
            raise Corrupt("DynamoDB: unexpected answer")
