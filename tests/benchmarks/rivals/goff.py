"""GO Feature Flag's engine as WebAssembly, asked directly, beneath its OpenFeature provider."""

from __future__ import annotations

import json
from typing import Any

from gofeatureflag_python_provider.wasm.evaluate_wasm import EvaluateWasm
from gofeatureflag_python_provider.wasm.model import WasmFlagContext, WasmInput

from benchmarks import work

PACKAGES = ["gofeatureflag-python-provider==1.3.0"]
LONGEST = 1_000
"""Its queries take lists no longer than this, so that more users need more rules."""


def _query(attribute: str, operator: str, operand: Any) -> str:
    text = json.dumps(operand)
    return {
        "eq": f"{attribute} eq {text}",
        "in": f"{attribute} in {text}",
        "semver_gte": f"{attribute} ge {operand}",
        "gte": f"{attribute} ge {operand}",
        "starts_with": f"{attribute} sw {text}",
    }[operator]


def _rules() -> dict[str, Any]:
    targeting = []
    for attribute, operator, operand, variant in work.RULES:
        outcome = {"percentage": work.ARMS} if variant is None else {"variation": variant}
        targeting.append({"query": _query(attribute, operator, operand), **outcome})
    variations = {name: name for name in work.VARIANTS}
    return {"variations": variations, "targeting": targeting, "defaultRule": {"variation": "other"}}


def document(flags: dict[str, str]) -> bytes:
    boolean = {"variations": {"on": True, "off": False}}
    parts = [work.LISTED[at : at + LONGEST] for at in range(0, len(work.LISTED), LONGEST)]
    listed = [{"query": f"key in {json.dumps(part)}", "variation": "on"} for part in parts]
    kinds = {
        "share": {**boolean, "defaultRule": {"percentage": {"on": 50, "off": 50}}},
        "rules": _rules(),
        "users": {**boolean, "targeting": listed, "defaultRule": {"variation": "off"}},
    }
    return json.dumps({name: kinds[kind] for name, kind in flags.items()}).encode()


def ready(data: bytes) -> Any:
    engine = EvaluateWasm()
    engine.initialize()
    return engine, json.loads(data)


def someone(user: str, attributes: dict[str, Any]) -> Any:
    return {"targetingKey": user, **attributes}


def ask(client: Any, name: str, kind: str, people: list[Any]) -> list[Any]:
    engine, flags = client
    default: Any = "other" if kind == "rules" else False
    flag, context, evaluate = flags[name], WasmFlagContext(defaultSdkValue=default), engine.evaluate
    return [
        evaluate(WasmInput(flagKey=name, flag=flag, evalContext=person, flagContext=context)).value
        for person in people
    ]
