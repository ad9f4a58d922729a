"""LaunchDarkly's server SDK, fed by a source of its own that hands over the document."""

from __future__ import annotations

import json
from typing import Any

from ldclient import Config, Context, LDClient
from ldclient.impl.model import FeatureFlag
from ldclient.versioned_data_kind import FEATURES, SEGMENTS

from benchmarks import work

PACKAGES = ["launchdarkly-server-sdk==9.18.4"]
OPERATORS = {
    "eq": "in",
    "in": "in",
    "semver_gte": "semVerLessThan",
    "gte": "greaterThanOrEqual",
    "starts_with": "startsWith",
}


def _flag(name: str, kind: str) -> dict[str, Any]:
    variations: list[Any] = work.VARIANTS if kind == "rules" else [True, False]
    rules = []
    targets = []
    default: dict[str, Any] = {"variation": 0 if kind == "rules" else 1}
    if kind == "share":
        half = [{"variation": 0, "weight": 50_000}, {"variation": 1, "weight": 50_000}]
        default = {"rollout": {"variations": half, "contextKind": "user"}}
    elif kind == "users":
        targets = [{"values": work.LISTED, "variation": 0}]
    else:
        for number, (attribute, operator, operand, variant) in enumerate(work.RULES):
            values = operand if isinstance(operand, list) else [operand]
            clause = {"attribute": attribute, "op": OPERATORS[operator], "values": values, "contextKind": "user"}
            clause["negate"] = operator == "semver_gte"  # there is no "at least"
            arms = [{"variation": variations.index(arm), "weight": 1000 * share} for arm, share in work.ARMS.items()]
            outcome = (
                {"rollout": {"variations": arms}} if variant is None else {"variation": variations.index(variant)}
            )
            rules.append({"id": f"r{number}", "clauses": [clause], **outcome})
    return {
        "key": name,
        "version": 1,
        "on": True,
        "salt": name,
        "variations": variations,
        "offVariation": 0,
        "fallthrough": default,
        "rules": rules,
        "targets": targets,
        "prerequisites": [],
    }


def document(flags: dict[str, str]) -> bytes:
    return json.dumps({name: _flag(name, kind) for name, kind in flags.items()}).encode()


class Handed:
    """An update processor that has all from the start."""

    def __init__(self, data: dict[str, Any], config: Any, ready: Any) -> None:
        sink = config.data_source_update_sink or config.feature_store
        sink.init({FEATURES: {name: FeatureFlag(flag) for name, flag in data.items()}, SEGMENTS: {}})
        ready.set()

    def start(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to stop."""

    def is_alive(self) -> bool:
        return True

    def initialized(self) -> bool:
        return True


def ready(data: bytes) -> Any:
    def source(config: Any, _store: Any, ready: Any) -> Handed:
        return Handed(json.loads(data), config, ready)

    config = Config("sdk-key", update_processor_class=source, send_events=False, diagnostic_opt_out=True)
    return LDClient(config, start_wait=5)


def close(client: Any) -> None:
    client.close()


def someone(user: str, attributes: dict[str, Any]) -> Any:
    builder = Context.builder(user)
    for name, value in attributes.items():
        builder.set(name, value)
    return builder.build()


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    default = "other" if kind == "rules" else False
    variation = client.variation
    return [variation(name, person, default) for person in people]


def bulk(client: Any, _flags: dict[str, str], person: Any) -> Any:
    return client.all_flags_state(person).to_values_map()
