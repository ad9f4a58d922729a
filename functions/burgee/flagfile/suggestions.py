"""Suggests what an unknown name was probably meant to be."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_SYNONYMS = {
    **dict.fromkeys(("enabled", "enable", "active", "on", "state"), "status"),
    **dict.fromkeys(("rollout", "percentage", "percent", "share"), "rollout_percentage"),
    **dict.fromkeys(("if", "condition", "conditions", "query", "targeting"), "when"),
    **dict.fromkeys(("variations", "values"), "variants"),
    **dict.fromkeys(("variant", "variation", "value", "then"), "serve"),
    **dict.fromkeys(("weights", "distribution"), "split"),
    **dict.fromkeys(("users", "individuals"), "targets"),
    **dict.fromkeys(("prerequisites", "depends_on", "dependencies"), "requires"),
    **dict.fromkeys(("fallthrough", "else", "otherwise", "default_variant"), "default"),
    **dict.fromkeys(("equals", "equal", "is", "=", "=="), "eq"),
    **dict.fromkeys(("not_equals", "not_equal", "is_not", "!="), "ne"),
    **dict.fromkeys(("one_of", "any_of"), "in"),
    **dict.fromkeys(("none_of", "not_one_of"), "not_in"),
    **dict.fromkeys(("greater_than", "above", ">"), "gt"),
    **dict.fromkeys(("at_least", ">="), "gte"),
    **dict.fromkeys(("less_than", "below", "<"), "lt"),
    **dict.fromkeys(("at_most", "<="), "lte"),
    **dict.fromkeys(("regex", "regexp", "match"), "matches"),
}
"""Names of keys and operators in other engines and in common use, with the names here."""


def near(name: str | int, known: Iterable[str]) -> str | None:
    """A hint if a known name means the same or is spelled similarly."""
    known = [one for one in known if one != name]
    synonym = _SYNONYMS.get(str(name).lower())
    if synonym in known:
        return f"did you mean {synonym!r}?"
    close = get_close_matches(str(name), known, n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None
