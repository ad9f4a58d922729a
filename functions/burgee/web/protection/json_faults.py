"""Finds contents of a JSON body that are unsafe to parse."""

from __future__ import annotations

import json
import re

from burgee.numeric import misfit, parse_json

MAX_DEPTH = 40
_OPENING, _CLOSING = b"[{", b"]}"
# A string matches from its first quote even if it does not end, without backtracking, so no byte is read twice.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)


def json_fault(body: bytes) -> str | None:
    """Why this body is unsafe to parse; None also for invalid JSON, which its parser reports."""
    depth = 0
    for token in _TOKEN.finditer(body):
        first = body[token.start()]
        if first in _OPENING:
            depth += 1
            if depth > MAX_DEPTH:
                return f"the body is nested deeper than {MAX_DEPTH} levels"
        elif first in _CLOSING:
            depth -= 1
    if body and json.detect_encoding(body) != "utf-8":
        return "the body is not in UTF-8"  # brackets could be at other bytes
    try:
        value = parse_json(body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None
    wrong = misfit(value)
    if wrong is not None:
        return f"the body has a number that is out of range at {'/'.join(['', *map(str, wrong)])!r:.80}"
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "the body has half of a surrogate pair, which is not a character"
    return None
