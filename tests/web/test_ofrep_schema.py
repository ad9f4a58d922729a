"""OFREP's contract, its published defects mended, against both applications: schemathesis with all its checks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from burgee.serving.serving import Serving
from burgee.web.evaluation_app import evaluation_app
from support.schemas import check_operations, schemathesis

if TYPE_CHECKING:
    from schemathesis import Case

FLAGS: dict[str, Any] = {
    "on": {"status": True, "owner": "team"},
    "half": {"status": True, "rollout_percentage": 50},
    "whole": {"status": True, "variants": {"v": 5}, "default": {"serve": "v"}},
    "list": {"status": True, "variants": {"v": [1, {}]}, "default": {"serve": "v"}},
    "object": {"status": True, "variants": {"v": {"a": None}}, "default": {"serve": "v"}},
    "nothing": {"status": False, "variants": {"v": "x"}, "default": {"serve": "v"}},
    "broken": {"status": True, "rules": [{"when": {"segment": "nobody"}}]},
}
CONTRACT = yaml.safe_load((Path(__file__).parents[1] / "cases/ofrep.yaml").read_text(encoding="utf-8"))
# A key that is on the schema's path may be a flag's or not; a context may be good and lack what a flag buckets on.
CHECKS = {
    "positive_data_acceptance": {"expected-statuses": ["200", "304", "400", "404"]},
    # Stock clients send no context at all where they have none.
    "negative_data_rejection": {"expected-statuses": ["200", "304", "400", "404", "405"]},
}


def contract(names: list[str]) -> dict[str, Any]:
    """The contract, its keys drawn from names, so that flags are met."""
    path = "/ofrep/v1/evaluate/flags/{key}"
    key = {"name": "key", "in": "path", "required": True, "schema": {"enum": names}}
    return {**CONTRACT, "paths": {path: {"post": {**CONTRACT["paths"][path]["post"], "parameters": [key]}}}}


APP = evaluation_app(Serving(bundled={"format": 1, "flags": FLAGS}))
CONFIG = schemathesis.Config.from_dict({"checks": CHECKS})
EXAMPLES = int(os.environ.get("BURGEE_EXAMPLES", "30"))


def agreed(case: Case[Any]) -> None:
    """An answer is as the contract has it."""
    case.call_and_validate()


@pytest.mark.parametrize("path", CONTRACT["paths"])
def test_every_answer_is_in_the_contract(path: str) -> None:
    check_operations({**CONTRACT, "paths": {path: CONTRACT["paths"][path]}}, APP, CONFIG, agreed, EXAMPLES)


def test_so_is_every_answer_of_a_flag_that_there_is() -> None:
    check_operations(contract([*FLAGS, "unknown"]), APP, CONFIG, agreed, EXAMPLES)
