"""The wording of pull requests: author, reason, time, affected users, and the effect of merging and closing."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

from burgee.cli.effect import effect_between
from burgee.cli.render import output
from burgee.cli.render.diff_markdown import cell, code
from burgee.cli.render.diff_text import text
from burgee.cli.render.markdown import fenced
from burgee.evaluation.snapshots import definition_digest
from burgee.releases.overrides import with_flags

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from burgee.model import Override, Problem, Snapshot
    from burgee.releases.proposals import Proposal
    from burgee.releases.pull import Pulled

LIMIT = 60_000
"""GitHub's limit is 65,536 characters."""
EFFECT_LIMIT = 4_000
EFFECT_SECONDS = 4.0
FOOT = "Kept up to date by `burgee reconcile`, until another person commits to its branch.\n"


def fingerprint(overrides: Iterable[Override]) -> str:
    """Identifies these overrides: a closed pull request is opened again when it changes."""
    said = sorted((one.flag, str(definition_digest(one.definition)), one.updated_at) for one in overrides)
    return sha256(repr(said).encode()).hexdigest()[:16]


def marker(name: str, said: str) -> str:
    """The first line of a description: the branch, and a digest of the contents."""
    return f"<!-- burgee {name.replace('--', '__').replace('>', '_')}: {said} -->"


def of_overrides(  # noqa: PLR0913 - what is described, each as its own value
    found: Pulled,
    overrides: Mapping[str, Override],
    git: Snapshot,
    failing: Sequence[Problem],
    now: float,
    *,
    reach: str,
) -> str:
    """The description of an environment's pull request; `git` is the base branch's snapshot, and `reach` says that
    the edit is for all environments of the file.
    """
    where = f" in {code(git['environment'])}" if git["environment"] else ""
    first = f"Operators changed flags{where} without an end, and the flag file does not say so yet."
    parts = [f"{first} This writes into the file what is served already.\n"]
    if reach:
        parts.append(f"⚠️ Written{cell(reach)}. Give `reconcile` an `--env` to write into one.\n")
    parts += [_override(overrides[flag], git, found, now) for flag in found.wanted]
    if failing:
        lines = "\n".join(f"- {cell(str(problem))}" for problem in failing)
        parts.append(f"### ⚠️ Tests of flags that fail with it\n\n{lines}\n")
    if found.temporary:
        lines = "\n".join(_temporary(overrides[flag]) for flag in found.temporary)
        parts.append(f"### Not written, because it ends by itself\n\n{lines}\n")
    if found.refused:
        lines = "\n".join(f"- {code(flag)}: {cell(why)}" for flag, why in found.refused.items())
        parts.append(f"### ⚠️ Could not be written\n\n{lines}\n")
    parts.append(
        "### What happens\n\n"
        "**Merging** changes nothing that users see: from the next release on Git says it, and the overrides go.\n\n"
        "**Closing** changes nothing either: the overrides stay in force until they are cleared "
        "(`burgee override clear FLAG`). This is opened again when they change.\n"
    )
    return _within(parts)


def of_proposal(made: Proposal, git: Snapshot, failing: Sequence[Problem], now: float, *, outdated: bool) -> str:
    """The description of a proposal's pull request."""
    after = with_flags(git, {made.edit.flag: made.edit.applied(git["flags"].get(made.edit.flag))})
    parts = [f"{cell(made.author)} proposed this at {made.created_at}: {cell(made.why, 2_000)}\n"]
    if outdated:
        parts.append(
            f"⚠️ {code(made.edit.flag)} has changed on the base branch since this was proposed: look again.\n"
        )
    else:
        parts.append(f"Who sees what change:\n\n{_effect(git, after, now)}")
    if failing:
        lines = "\n".join(f"- {cell(str(problem))}" for problem in failing)
        parts.append(f"### ⚠️ Tests of flags that fail with it\n\n{lines}\n")
    parts.append(
        "**Merging** releases it with the next deploy. **Closing** ends the proposal, and changes nothing.\n"
    )
    return _within(parts)


def _override(one: Override, git: Snapshot, found: Pulled, now: float) -> str:
    after = with_flags(git, {one.flag: found.wanted[one.flag]})
    changes = output.definition_changes(git["flags"].get(one.flag), found.wanted[one.flag])
    said = "\n".join(changes)
    why = f": {cell(one.reason, 2_000)}" if one.reason else ""
    return (
        f"### {code(one.flag)}\n\nBy {cell(one.author)} since {one.updated_at}{why}\n\n{_block(said)}\n"
        f"Effect compared with the file:\n\n{_effect(git, after, now)}"
    )


def _temporary(one: Override) -> str:
    why = f": {cell(one.reason, 500)}" if one.reason else ""
    return f"- {code(one.flag)} until {one.expires_at}, by {cell(one.author)}{why}"


def _effect(before: Snapshot, after: Snapshot, now: float) -> str:
    return _block(text(effect_between(before, after, now, EFFECT_SECONDS)).plain)


def _block(said: str) -> str:
    kept = said if len(said) <= EFFECT_LIMIT else said[:EFFECT_LIMIT].rpartition("\n")[0] + "\n… and more"
    return fenced(kept)


def _within(parts: Sequence[str]) -> str:
    """As many whole parts as fit, always including the last."""
    kept, room = [], LIMIT - len(parts[-1]) - len(FOOT)
    for index, part in enumerate(parts[:-1]):
        if len(part) + 1 > room - 100:
            kept.append(f"… and {len(parts) - 1 - index} more; `burgee override list` shows them all.\n")
            break
        kept.append(part)
        room -= len(part) + 1
    return "\n".join([*kept, parts[-1], FOOT])
