"""Answers as text that two systems share: a value as canonical JSON, or why there is none."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from burgee.model import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from burgee.model import Evaluation

    Say = Callable[[Any, str | None], str]
    """How a value and its variant are written."""

NO_VALUE = "no value"
"""The flag is there, and the caller uses its own default."""
UNKNOWN = "unknown flag"
OFF, ON = "off", "on"
LONGEST = 1_000
"""Characters of an answer, or of a flag's name, that are kept; a longer one is identified by its digest."""
_CODES = frozenset({*ErrorCode, "PROVIDER_NOT_READY", "PROVIDER_FATAL", "TYPE_MISMATCH"})


def text_of(value: Any) -> str:
    """A value as canonical JSON: sorted keys, no spaces, and a whole number without its fraction, so 1.0 as 1."""
    if isinstance(value, (dict, list)) or (isinstance(value, str) and len(value) > LONGEST):
        return bounded(_json(_plain(value)))
    return _scalar(value)


def bounded(text: str) -> str:
    """A string that can be stored: a long one as its beginning and digest, half a surrogate pair escaped."""
    text = text.encode("utf-8", "backslashreplace").decode()
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{text[: LONGEST // 10]}... ({len(text):,} characters, SHA-256 {digest})"


def failed(code: str) -> str:
    """The answer of an evaluation that failed, by OpenFeature's error code; any other text is GENERAL, as a service
    may write what it was asked into it.
    """
    if code == ErrorCode.FLAG_NOT_FOUND:
        return UNKNOWN
    return f"error {code if code in _CODES else ErrorCode.GENERAL}"


def answer_of(value: Any, _variant: str | None) -> str:
    """The answer of an evaluation that has not failed, by its value."""
    return NO_VALUE if value is None else text_of(value)


def unleash_answer_of(value: Any, variant: str | None) -> str:
    """The same in Unleash's terms: off, on without a variant, or a variant's value.

    `burgee import unleash` names what is on without a variant `enabled`.
    """
    if value is None or value is False:
        return OFF
    return ON if value is True or (variant == "enabled" and value == "") else text_of(value)


def evaluated(one: Evaluation, say: Say) -> str:
    """The answer of an evaluation of ours."""
    return say(one.value, one.variant) if one.error_code is None else failed(one.error_code)


def recorded(answers: Mapping[str, Any], say: Say) -> dict[str, str]:
    """Answers of a file by flag: null is not a value."""
    return {bounded(name): say(value, None) for name, value in answers.items()}


@lru_cache(10_000, typed=True)
def _scalar(value: Any) -> str:
    return bounded(_json(_plain(value)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
