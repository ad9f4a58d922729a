"""Problems as SARIF 2.1.0, which code scanning shows beside the lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from burgee.findings import RULES, Code
from burgee.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burgee.model import Problem


def sarif(problems: Sequence[Problem]) -> dict[str, Any]:
    """One run, with a rule for each code present."""
    codes = sorted({problem.code for problem in problems})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "burgee", "version": __version__, "rules": [_rule(code) for code in codes]}
                },
                "results": [_result(problem, codes.index(problem.code)) for problem in problems],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    about = RULES[Code(code)].about if code in set(Code) else code.replace("-", " ")
    return {"id": code, "shortDescription": {"text": about}}


def _result(problem: Problem, index: int) -> dict[str, Any]:
    place = problem.place
    return {
        "ruleId": problem.code,
        "ruleIndex": index,
        "level": str(problem.severity),
        "message": {"text": problem.message + (f" ({problem.hint})" if problem.hint else "")},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(place.file.replace("\\", "/"))},
                    "region": {"startLine": place.line, "startColumn": place.column},
                }
            }
        ],
    }
