"""Replies that are kept with their ruleset, which gives few distinct answers, and what counts each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from itertools import repeat
    from typing import TypeAlias

    from burgee.evaluation.ruleset import ClientView, Ruleset
    from burgee.model import Evaluation
    from burgee.web.exchange import Exchange
    from burgee.web.replies import Reply

    Place: TypeAlias = tuple[str, str, int, str | None]

MAX_KEPT = 100_000
"""Replies kept with a ruleset."""


class Kept:
    """The reply for one answer of a flag to one asker, made once."""

    __slots__ = ("__weakref__", "answer", "bulk", "named", "reply")
    named: repeat[bool]
    bulk: repeat[bool]
    """`next` of these counts the answer, as asked for by name or with all; absent where usage is not counted."""

    def __init__(self, answer: Evaluation, reply: Reply) -> None:
        self.answer = answer
        """Kept, so that its id is not reused."""
        self.reply = reply


def keep(exchange: Exchange, ruleset: Ruleset | ClientView, place: Place, kept: Kept) -> Kept:
    """Caches a reply by kind, flag, the answer's id, and who asks if that is counted: a ruleset gives few answers."""
    if len(ruleset.written) >= MAX_KEPT:
        ruleset.written.clear()
    if exchange.usage is not None:
        exchange.usage.begin(kept, ruleset, place[1], exchange.caller)
    ruleset.written[place] = kept
    return kept


def joined_bodies(
    exchange: Exchange,
    ruleset: Ruleset | ClientView,
    answers: Mapping[str, Evaluation],
    kind: str,
    make: Callable[[Exchange, Ruleset | ClientView, Place, Evaluation], Kept],
) -> bytes:
    """The bodies of the replies for all answers, separated by commas; `make` makes those that are not kept yet."""
    exchange.count(answers, fetched=True)
    asker = None if exchange.usage is None else exchange.caller.key or ""
    known = ruleset.written.get
    kept = [
        known(place := (kind, name, id(answer), asker)) or make(exchange, ruleset, place, answer)
        for name, answer in answers.items()
    ]
    return b",".join(_bodies(kept, counted=exchange.usage is not None))


def _bodies(kept: Sequence[Kept], *, counted: bool) -> list[bytes]:
    """Each body is counted as it is taken: a loop for that alone would cost twice as much."""
    if counted:
        return [one.reply.body for one in kept if next(one.bulk)]  # which is so for all
    return [one.reply.body for one in kept]
