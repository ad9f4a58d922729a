"""Bodies that no service should have to read."""

from __future__ import annotations

import json


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


BODIES = {
    "oversize": b'{"description": "' + b"x" * 2_000_000 + b'"}',
    "deep": deep(100_000 // 6),
    "deep list": b"[" * 60_000 + b"]" * 60_000,
    "deep and cut": b"[" * 120_000,
    "a long number": b'{"rollout_percentage": ' + b"9" * 5000 + b"}",
    "an infinite number": b'{"rollout_percentage": 1e999}',
    "not a number": b'{"rollout_percentage": NaN}',
    "NUL": b'{"flag_name": "a\\u0000b", "description": "\\u0000"}',
    "raw NUL": b'{"flag_name": "a\x00b"}',
    "half a surrogate pair": b'{"flag_name": "made", "description": "\\ud800"}',
    "half in a key": b'{"flag_name": "made", "\\udfff": 1}',
    "bad UTF-8": b'{"flag_name": "\xc3\x28"}',
    "a prototype": b'{"flag_name": "__proto__", "__proto__": {"status": true}, "constructor": {}}',
    "ten thousand attributes": json.dumps({f"a{n}": n for n in range(10_000)}).encode(),
    "many rules": json.dumps({"flag_name": "r", "rules": [{"when": {"a": n}} for n in range(3000)]}).encode(),
    "a hostile pattern": json.dumps(
        {"flag_name": "p", "rules": [{"when": {"a": {"matches": "(a+)+$" * 99}}}]}
    ).encode(),
    "empty": b"",
    "a string": b'"x"',
    "null": b"null",
    "twice the same key": b'{"flag_name": "a", "flag_name": "b/c"}',
}
