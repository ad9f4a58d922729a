"""Makes a snapshot the live release, for everyone or first for a share, or refuses: one staged release and commit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from burgee.errors import Conflict, Refused
from burgee.evaluation.snapshots import EMPTY, load_snapshot, payload
from burgee.releases.plan import OverrideVerdict, Plan, PlannedOverride, plan, rebased, settled_digest
from burgee.stores import Canary, Change
from burgee.times import format_time, parse_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from burgee.model import Snapshot
    from burgee.stores import AuditEntry, Origin, Pointer, State, Store
    from burgee.stores.audit import AuditContext

OnConflict: TypeAlias = Literal["refuse", "keep", "discard"]

ATTEMPTS = 5
KEEP = "override.keep"
"""The audit action of an override that a deploy kept although its flag changed in Git."""
CARRY = "override.carry"
"""The audit action of a guard's override whose share a deploy carried over to Git's changed definition."""
SHRUNKEN = 0.5
"""A release that removes more than this share of the live flags is probably an accident."""
FEW = 4
"""Below this many live flags, removing half of them is normal."""


@dataclass(frozen=True, slots=True)
class CanaryRequest:
    """The percentage of users who get a release first, and for how many seconds."""

    share: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Consent:
    """The options and consents of a deploy."""

    overrides: OnConflict = "refuse"
    empty: bool = False
    shrunken: bool = False
    reuse: bool = False
    plan_digest: str | None = None
    canary: CanaryRequest | None = None


def live(store: Store) -> tuple[State, Snapshot]:
    """What a store currently serves."""
    state = store.state()
    version = state.pointer.version
    return state, load_snapshot(store.payload(version)) if version else EMPTY


def write(store: Store, decide: Callable[[State, Snapshot], Change]) -> Pointer:
    """Reads, decides and commits; retries if another writer was first. Raises Conflict if that happens every time."""
    for attempt in range(ATTEMPTS):
        state, snapshot = live(store)
        try:
            return store.commit(decide(state, snapshot), expected=state.pointer.revision)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def preview(
    store: Store, wanted: Snapshot, now: float, consent: Consent | None = None
) -> tuple[Plan, Refused | None]:
    """What `apply` would do, and whether it would refuse; writes nothing."""
    consent = consent or Consent()
    state, current = live(store)
    made = _contradicted(store, plan(state, current, wanted, now), consent)
    try:
        _insist(made, len(current["flags"]), len(wanted["flags"]), consent)
    except Refused as refusal:
        return made, refusal
    return made, None


def apply(store: Store, wanted: Snapshot, origin: Origin, act: AuditContext, consent: Consent | None = None) -> Plan:
    """Releases `wanted` and returns the executed plan; writes nothing if nothing would change.

    Raises Refused if consent is missing, Conflict if another writer has committed.
    """
    consent = consent or Consent()
    state, current = live(store)
    made = _contradicted(store, plan(state, current, wanted, act.now), consent)
    _insist(made, len(current["flags"]), len(wanted["flags"]), consent)
    canary = _canary(made, act, consent)
    if made.unchanged and canary is None and not _moving(made, consent):
        return made
    version = made.version if canary is not None else None
    if not made.unchanged:
        release = store.stage(payload(wanted), origin, flags=len(wanted["flags"]), at=format_time(act.now))
        version = release.version
    store.commit(_change(made, version, act, consent, canary), expected=made.revision)
    store.collect()
    return made


def rollback(
    store: Store, version: int, act: AuditContext, consent: Consent | None = None, *, absorb: bool = False
) -> Plan:
    """Makes a stored release live again; retired names come back without confirmation.

    Overrides follow the rules of a deploy, but are absorbed only with `absorb`, as it is not Git that agrees with
    them.
    """
    made, change = returning(store, version, act, consent, absorb=absorb)
    store.commit(change, expected=made.revision)
    return made


def returning(
    store: Store, version: int, act: AuditContext, consent: Consent | None = None, *, absorb: bool = False
) -> tuple[Plan, Change]:
    """The change that `rollback` would commit over the revision of its plan; writes nothing."""
    consent = consent or Consent()
    state, current = live(store)
    wanted = load_snapshot(store.payload(version))
    made = _contradicted(store, plan(state, current, wanted, act.now, rollback=not absorb), consent)
    canary = None if version == made.version else _canary(made, act, consent)
    _conflicts(made, consent)
    return made, _change(made, version, act, consent, canary)


def promote(store: Store, act: AuditContext) -> int:
    """Ends a canary at once: everyone gets the release. Raises Refused if there is no canary."""
    state, current = live(store)
    made = plan(state, current, current, act.now)
    if made.canary is None:
        raise Refused("not-baking", "no release is a canary")
    store.commit(_change(made, made.version, act, Consent("keep")), expected=made.revision)
    return made.version


def withdraw(store: Store, act: AuditContext, rang: float) -> int | None:
    """Ends a canary because an alarm went off at `rang`: everyone gets the previous release; returns its version.

    Returns None and does nothing if there is no canary or the alarm is older than it. Overrides are kept, and retired
    names come back.
    """
    for attempt in range(ATTEMPTS):
        state, current = live(store)
        canary = state.pointer.canary_at(act.now)
        if canary is None or rang < parse_time(canary.since):
            return None
        made = plan(state, current, load_snapshot(store.payload(canary.base)), act.now, rollback=True)
        try:
            store.commit(_change(made, canary.base, act, Consent("keep")), expected=made.revision)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
        else:
            return canary.base
    return None


def _contradicted(store: Store, made: Plan, consent: Consent) -> Plan:
    """The plan with what was kept against Git in conflict with it again: where overrides are discarded, and where Git
    has the keys that seem to be the override's.

    Of an override that was kept, the keys that it changed are no longer known.
    """

    def again(standing: PlannedOverride) -> PlannedOverride:
        asked = standing.by_keys or (standing.verdict is OverrideVerdict.KEPT and consent.overrides == "discard")
        if asked and was_kept(store, standing.override.flag):
            return replace(standing, verdict=OverrideVerdict.CONFLICT, by_keys=False)
        return standing

    return replace(made, standings=[again(standing) for standing in made.standings])


def was_kept(store: Store, flag: str) -> bool:
    """Whether the last change of an override was to keep it although Git had changed; proposals change nothing."""
    cursor = None
    while page := store.audit(limit=20, before=cursor, flag=flag):
        for entry in page:
            if not entry.action.startswith("proposal."):
                return entry.action == KEEP
        cursor = page[-1].id
    return False


def _canary(made: Plan, act: AuditContext, consent: Consent) -> Canary | None:
    """The canary that a deploy starts, or restarts with another share; None without a release to fall back on.

    Its base is the last release that everyone had: a canary started during a canary does not fall back on the first.
    """
    if consent.canary is None:
        return None
    if not 0 < consent.canary.share < 100:
        raise Refused(
            "invalid-canary", f"a share of users is more than 0 and less than 100 %: {consent.canary.share}"
        )
    if not made.version or (made.unchanged and made.canary is None):
        return None
    base = made.canary.base if made.canary is not None else made.version
    until = format_time(act.now + consent.canary.seconds)
    return Canary(base, consent.canary.share, format_time(act.now), until)


def _insist(made: Plan, live_flags: int, wanted_flags: int, consent: Consent) -> None:
    if consent.plan_digest is not None and not made.digest.startswith(consent.plan_digest):
        raise Refused("plan-changed", "the plan is no longer the reviewed one; review it again")
    if not wanted_flags and live_flags and not consent.empty:
        raise Refused("empty-release", "the file has no flags; --allow-empty releases it anyway")
    lost = len(made.removed)
    if wanted_flags and live_flags >= FEW and lost > live_flags * SHRUNKEN and not consent.shrunken:
        message = f"{lost} of {live_flags} live flags would be removed; --allow-shrink releases it anyway"
        raise Refused("shrunken-release", message)
    if made.reused and not consent.reuse:
        names = ", ".join(made.reused)
        message = (
            f"{names}: released before and then removed; old code may still use it; --reuse allows the name again"
        )
        raise Refused("name-retired", message)
    _conflicts(made, consent)


def _conflicts(made: Plan, consent: Consent) -> None:
    """Raises Refused if overrides prevent the deploy."""
    if made.broken:
        faults = "; ".join(f"{flag}: {why}" for flag, why in made.broken.items())
        raise Refused("invalid-release", f"cannot be served with the remaining overrides: {faults}")
    conflicts = made.having(OverrideVerdict.CONFLICT)
    if conflicts and consent.overrides == "refuse":
        names = ", ".join(standing.override.flag for standing in conflicts)
        message = (
            f"{names}: changed in Git since an operator's override was set; --overrides keep or --overrides discard"
        )
        raise Refused("override-conflict", message)
    if conflicts and consent.overrides == "discard" and consent.canary is not None:
        message = (
            "an override cannot be removed for a share of users only; clear it first, or deploy without --canary"
        )
        raise Refused("canary-discard", message)


def _gone(made: Plan, consent: Consent, *, canary: bool) -> list[PlannedOverride]:
    """The overrides that a commit clears. During a canary, users of its base still need theirs."""
    gone = made.having(OverrideVerdict.EXPIRED) + ([] if canary else made.having(OverrideVerdict.ABSORBED))
    return gone + (made.having(OverrideVerdict.CONFLICT) if consent.overrides == "discard" else [])


def _moving(made: Plan, consent: Consent) -> bool:
    gone = _gone(made, consent, canary=made.canary is not None)
    return bool(gone or made.having(OverrideVerdict.CONFLICT) or _carried(made, canary=made.canary is not None))


def _carried(made: Plan, *, canary: bool) -> list[PlannedOverride]:
    """The guards' overrides whose share goes over to Git's definition: after a canary, which has another one."""
    return [] if canary else made.having(OverrideVerdict.CARRIED)


def _change(
    made: Plan, version: int | None, act: AuditContext, consent: Consent, canary: Canary | None = None
) -> Change:
    canaried = canary is not None or (version is None and made.canary is not None)
    gone = _gone(made, consent, canary=canaried)
    settled = made.having(OverrideVerdict.ABSORBED) if canaried else []
    kept = made.having(OverrideVerdict.CONFLICT) if consent.overrides == "keep" else []
    carried = _carried(made, canary=canaried)
    started = None if canary is None else {"canary": canary.share, "base": canary.base, "until": canary.until}
    released = act.entry(release=version or made.version, after=started)
    return Change(
        activate=version,
        canary=canary,
        lay=[rebased(standing) for standing in (*kept, *carried)],
        lift=[standing.override.flag for standing in gone],
        retire=made.removed,
        reuse=made.reused,
        settled={one.override.flag: settled_digest(one.override.definition) for one in settled},
        # The release comes last, so that the newest entry is the live release, however many overrides were removed.
        audit=[
            *(_lifted(standing, act) for standing in gone),
            *(_kept(standing, act) for standing in kept),
            *(carry_entry(standing, act) for standing in carried),
            released,
        ],
    )


def _kept(standing: PlannedOverride, act: AuditContext) -> AuditEntry:
    definition = standing.override.definition
    return act._replace(action=KEEP).entry(flag=standing.override.flag, before=definition, after=definition)


def carry_entry(standing: PlannedOverride, act: AuditContext, release: int | None = None) -> AuditEntry:
    """The entry of a guard's share that goes over to Git's changed definition."""
    before, after = standing.override.definition, standing.carried
    entry = act._replace(action=CARRY).entry
    return entry(flag=standing.override.flag, before=before, after=after, release=release)


def _lifted(standing: PlannedOverride, act: AuditContext) -> AuditEntry:
    action = {
        OverrideVerdict.ABSORBED: "override.absorb",
        OverrideVerdict.EXPIRED: "override.expire",
        OverrideVerdict.CONFLICT: "override.discard",
    }[standing.verdict]
    return act._replace(action=action).entry(
        flag=standing.override.flag, before=standing.override.definition, after=standing.git
    )
