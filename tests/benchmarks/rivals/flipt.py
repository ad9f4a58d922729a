"""Flipt's client: a Rust engine under ctypes. It knows no versions: it is given numbers instead.

It ends the process when the first fetch fails, even with a snapshot of its own; so a server in a process of its own,
whose time nobody counts, gives it the state that Flipt's would.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from flipt_client import FliptClient
from flipt_client.models import ClientOptions, EvaluationRequest

from benchmarks import work

PACKAGES = ["flipt-client==1.4.5"]
SERVER = """
import http.server, os, shutil, sys, threading
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()  # until the client's process ends
shutil.rmtree(os.getcwd())
"""
STRING, NUMBER = "STRING_CONSTRAINT_COMPARISON_TYPE", "NUMBER_CONSTRAINT_COMPARISON_TYPE"
OPERATORS: dict[str, Any] = {
    "eq": lambda operand: (STRING, "eq", operand),
    "in": lambda operand: (STRING, "isoneof", json.dumps(operand)),
    "semver_gte": lambda operand: (NUMBER, "gte", _number(operand)),
    "gte": lambda operand: (NUMBER, "gte", str(operand)),
    "starts_with": lambda operand: (STRING, "prefix", operand),
}


def _number(version: str) -> str:
    major, minor, patch = (int(part) for part in version.split("."))
    return str((major * 1000 + minor) * 1000 + patch)


class Served:
    """Documents at an address, each under a number of its own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="flipt-"))
        command, pipe = [sys.executable, "-c", SERVER], subprocess.PIPE
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, cwd=self.folder, stdin=pipe, stdout=pipe, stderr=quiet, text=True)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.numbers = itertools.count()

    def __call__(self, data: bytes) -> str:
        number = next(self.numbers)
        file = self.folder / f"{number}/internal/v1/evaluation/snapshot/namespace/default"
        file.parent.mkdir(parents=True)
        file.write_bytes(data)
        return f"http://127.0.0.1:{self.port}/{number}"


SERVED = Served()


def _segment(key: str, kind: str, operator: str, value: str) -> dict[str, Any]:
    constraint = {"type": kind, "property": key, "operator": operator, "value": value}
    return {"key": key, "name": key, "matchType": "ALL_SEGMENT_MATCH_TYPE", "constraints": [constraint]}


def _rules() -> list[dict[str, Any]]:
    rules = []
    for rank, (attribute, operator, operand, variant) in enumerate(work.RULES, 1):
        shares = work.ARMS if variant is None else {variant: 100}
        distributions = [{"variantKey": arm, "rollout": weight} for arm, weight in shares.items()]
        reported = {"rank": rank, "segments": [_segment(attribute, *OPERATORS[operator](operand))]}
        rules.append({**reported, "segmentOperator": "OR_SEGMENT_OPERATOR", "distributions": distributions})
    return rules


def _rollout(kind: str) -> dict[str, Any]:
    if kind == "share":
        return {"type": "THRESHOLD_ROLLOUT_TYPE", "rank": 1, "threshold": {"percentage": 50, "value": True}}
    segments = [_segment("entityId", "ENTITY_ID_CONSTRAINT_COMPARISON_TYPE", "isoneof", json.dumps(work.LISTED))]
    segment = {"value": True, "segmentOperator": "OR_SEGMENT_OPERATOR", "segments": segments}
    return {"type": "SEGMENT_ROLLOUT_TYPE", "rank": 1, "segment": segment}


def document(flags: dict[str, str]) -> bytes:
    reported = []
    for name, kind in flags.items():
        if kind == "rules":
            flag = {"type": "VARIANT_FLAG_TYPE", "enabled": True, "rules": _rules(), "rollouts": []}
            flag["defaultVariant"] = {"id": "other", "key": "other"}
        else:  # a boolean flag's own state is what it answers where no rollout applies
            flag = {"type": "BOOLEAN_FLAG_TYPE", "enabled": False, "rules": [], "rollouts": [_rollout(kind)]}
        reported.append({"key": name, "name": name, **flag})
    return json.dumps({"namespace": {"key": "default"}, "flags": reported}).encode()


def ready(data: bytes) -> Any:
    return FliptClient(ClientOptions(url=SERVED(data), update_interval=86_400))


def close(client: Any) -> None:
    client.close()


def someone(user: str, attributes: dict[str, Any]) -> Any:
    reported = {key: str(value) for key, value in attributes.items()}
    return user, {**reported, "version": _number(reported["version"])} if "version" in reported else reported


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    if kind == "rules":
        variant = client.evaluate_variant
        return [variant(name, user, attributes).variant_key for user, attributes in people]
    boolean = client.evaluate_boolean
    return [boolean(name, user, attributes).enabled for user, attributes in people]


def bulk(client: Any, flags: dict[str, str], person: Any) -> Any:
    user, attributes = person
    asked = [EvaluationRequest(flag_key=name, entity_id=user, context=attributes) for name in flags]
    return client.evaluate_batch(asked).responses
