"""The commands that change or show what is live, from `plan` to `override`."""

from __future__ import annotations

import time
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import FlagName, Json, ReasonOption, definition_keys, duration, require_file, unknown_flag
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, act_on, described, on_store, opened, require_environment
from burgee.errors import Refused

if TYPE_CHECKING:
    from burgee.model import Snapshot
    from burgee.stores import Change, State, Store
    from burgee.stores.audit import AuditContext

override_app = typer.Typer(no_args_is_help=True, help="Operators' overrides of the release.")


class OnOverrides(StrEnum):
    """How to treat an override if Git has changed since."""

    REFUSE = "refuse"
    KEEP = "keep"
    DISCARD = "discard"


Overrides = Annotated[OnOverrides, typer.Option("--overrides", help="How to treat overrides that conflict with Git.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    for command in (plan, apply, promote, rollback, history, status, pull, kill, unkill):
        app.command()(command)
    app.add_typer(override_app, name="override")


@on_store
def plan(
    where: StoreOptions,
    json: Json = False,
) -> None:
    """Show what the file would change in what is live. Exits with 1 if apply would refuse."""
    from burgee.cli.source import releasable
    from burgee.releases.deploy import preview

    _, snapshot = releasable(where.flags, where.environment)
    with opened(where) as store:
        made, refusal = preview(store, snapshot, time.time())
    if json:
        output.as_json(
            {**output.plan_record(made), "refusal": refusal and {"code": refusal.code, "why": str(refusal)}}
        )
    else:
        for line in output.plan_lines(made):
            output.say(line)
        if refusal is not None:
            output.tell(f"apply would refuse: {refusal}", typer.colors.RED)
    raise typer.Exit(int(refusal is not None))


@on_store
def apply(
    where: StoreOptions,
    overrides: Overrides = OnOverrides.REFUSE,
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="Release a file without flags.")] = False,
    allow_shrink: Annotated[
        bool, typer.Option("--allow-shrink", help="Release a file that removes most flags.")
    ] = False,
    reuse: Annotated[bool, typer.Option("--reuse", help="Allow names of removed flags.")] = False,
    plan_digest: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Refuse any plan but this; printed by `burgee plan`.")
    ] = None,
    canary: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", min=0.001, max=99.999, help="Serve it to this percentage of users first."),
    ] = None,
    bake: Annotated[
        str, typer.Option(metavar="TIME", help="For how long, such as 15m; then everyone gets it.")
    ] = "15m",
    reason: ReasonOption = "",
    json: Json = False,
) -> None:
    """Make the file the live release, for everyone or for a share of users first."""
    from burgee.cli.git.origin import origin, require_committed
    from burgee.cli.source import releasable
    from burgee.releases.deploy import CanaryRequest, Consent
    from burgee.releases.deploy import apply as release

    act = act_on(where, "release.activate", reason)
    request = None if canary is None else CanaryRequest(canary, duration(bake, "--bake"))
    source, snapshot = releasable(where.flags, where.environment)
    consent = Consent(overrides.value, allow_empty, allow_shrink, reuse, plan_digest, request)
    folder = where.flags.resolve().parent
    came = origin(folder, source.digests)
    require_committed(came)
    with opened(where) as store:
        made = release(store, snapshot, came, act, consent)
        pointer = store.state().pointer
    baking = pointer.canary_at(act.now)
    if json:
        output.as_json({**output.plan_record(made), "live": pointer.version, "baking": baking and asdict(baking)})
    else:
        for line in output.plan_lines(made):
            output.say(line)
        output.say(f"{output.live_line(pointer, baking)} ({described(where)})")
    if request is not None and made.unchanged and made.canary is None:
        message = f"no canary was started: everyone has the file already, as release {made.version}"
        output.tell(message, typer.colors.YELLOW)


@on_store
def promote(
    where: StoreOptions,
    reason: ReasonOption = "",
) -> None:
    """End a canary: everyone gets the new release now."""
    from burgee.releases.deploy import promote as end

    act = act_on(where, "release.promote", reason)
    with opened(where) as store:
        version = end(store, act)
    output.say(f"release {version} is live ({described(where)})")


@on_store
def rollback(
    where: StoreOptions,
    version: Annotated[int | None, typer.Argument(help="The release; default the previous one.")] = None,
    overrides: Overrides = OnOverrides.REFUSE,
    reason: ReasonOption = "",
) -> None:
    """Make an earlier release live again. Overrides follow the same rules as in a deploy."""
    from burgee.evaluation.snapshots import load_snapshot
    from burgee.flagfile.entering import stored_faults
    from burgee.releases.deploy import Consent
    from burgee.releases.deploy import rollback as back

    act = act_on(where, "release.rollback", reason)
    with opened(where) as store:
        if version is None:
            version = _earlier(store, act.now)
        made = back(store, version, act, Consent(overrides.value))
        faults = stored_faults(load_snapshot(store.payload(version)))
    for line in output.plan_lines(made, f"release {version}"):
        output.say(line)
    for fault in faults:
        output.tell(f"warning: {fault}", typer.colors.YELLOW)
    output.say(f"release {version} is live ({described(where)})")


def _earlier(store: Store, now: float) -> int:
    """The release before the live one; during a canary, its base."""
    pointer = store.state().pointer
    baking = pointer.canary_at(now)
    if baking is not None:
        return baking.base
    earlier = store.releases(limit=1, before=pointer.version) if pointer.version else []
    if not earlier:
        raise Refused("no-earlier-release", "there is no earlier release")
    return earlier[0].version


@on_store
def history(
    where: StoreOptions,
    json: Json = False,
) -> None:
    """List releases, newest first; the live one is marked."""
    from burgee.cli.git.origin import DIRTY

    with opened(where) as store:
        current, releases = store.pointer().version, store.releases(limit=100)
    if json:
        output.as_json({"current": current, "releases": [asdict(release) for release in releases]})
        return
    for release in releases:
        mark = "*" if release.version == current else " "
        made = release.origin
        commit = made.commit or "-"
        short = commit.removesuffix(DIRTY)[:12] + (DIRTY if commit.endswith(DIRTY) else "")
        origin_text = f"{short:18} {output.one_line(made.author) or '-'}: {output.one_line(made.message) or '-'}"
        output.say(f"{mark} {release.version:4} {release.created_at:24} {release.flags:5} flags  {origin_text}")
    if not releases:
        output.say(f"no releases yet ({described(where)})")


@on_store
def status(
    where: StoreOptions,
    wait: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="First wait, such as 30s, until evaluators answer with what is live."),
    ] = None,
    json: Json = False,
) -> None:
    """Check whether the file, the live release and the overrides agree. Exits with 1 if they do not.

    A guard's step is what the file plans.
    """
    from burgee.cli.source import releasable
    from burgee.releases.deploy import preview
    from burgee.releases.guarding import guards
    from burgee.serving.seen import as_record, worded
    from burgee.serving.seen import wait as await_answers

    seconds = None if wait is None else duration(wait, "--wait")
    _, snapshot = releasable(where.flags, where.environment)
    with opened(where) as store:
        now = time.time()
        made, _ = preview(store, snapshot, now)
        steps = {one.flag for one in guards(store, now) if one.is_serving and not one.fault}
        found = await_answers(store, made.revision, seconds) if seconds is not None and made.revision else None
    planned = [one.override.flag for one in made.standings if one.override.flag in steps]
    drifted = not made.unchanged or len(planned) < len(made.standings)
    if json:
        record = {**output.plan_record(made), "drifted": drifted, "guards": planned}
        output.as_json(record if found is None else {**record, "seen": as_record(found)})
    else:
        if found is not None:
            output.say(f"revision {found.revision}: {worded(found)}")
        for line in output.plan_lines(made)[:-1] if drifted or made.canary else ():
            output.say(line)
        overrides = f"no overrides but the steps of guards: {', '.join(planned)}" if planned else "no overrides"
        output.say(
            "the file and what is live differ" if drifted else f"release {made.version} is the file; {overrides}"
        )
    raise typer.Exit(int(drifted))


@on_store
def pull(
    where: StoreOptions,
    temporary: Annotated[bool, typer.Option("--temporary", help="Also write overrides that expire.")] = False,
) -> None:
    """Write live overrides back into the flag file, for a pull request. Exits with 1 if something is left to do."""
    from burgee.cli.source import everywhere, overlay
    from burgee.flagfile.compile import compile_file
    from burgee.flagfile.editor import write_each
    from burgee.flagfile.source import Source
    from burgee.releases.pull import pulled, released_definition

    require_environment(where)
    source = Source(require_file(where.flags))
    environment = overlay(source, where.environment)
    flags = compile_file(where.flags, environment)["flags"]
    with opened(where) as store:
        overrides = store.state().overrides.values()
        found = pulled(overrides, flags, released_definition(store), time.time(), temporary=temporary)
    unwritable, failures = write_each(where.flags, environment, found.wanted)
    refused = found.refused | unwritable
    for name in found.wanted:
        if name not in refused:
            output.say(f"{name}: written{everywhere(source, environment)}")
    for name in found.temporary:
        output.say(f"{name}: expires, so it is not written; --temporary writes it")
    for name, why in refused.items():
        output.tell(f"{name}: not written: {why}", typer.colors.RED)
    if not overrides:
        output.say(f"no overrides ({described(where)})")
    output.problems(failures)
    if failures:
        output.tell("these tests expect the old answer: change or remove them before you commit", typer.colors.YELLOW)
    raise typer.Exit(int(bool(refused or failures)))


@override_app.command("set")
@on_store
def set_override(
    where: StoreOptions,
    flag: FlagName,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Keys of the flag, such as status=off.")
    ] = None,
    *,
    reason: ReasonOption,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it expires, such as 30m, 2h or 7d.")
    ] = None,
    absent: Annotated[bool, typer.Option("--absent", help="Serve the flag as absent.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Create a flag that does not exist yet.")] = False,
    reuse: Annotated[bool, typer.Option("--reuse", help="Allow the name of a removed flag.")] = False,
) -> None:
    """Override the release immediately: `burgee override set beta status=off --reason "it blinks"`."""
    from burgee.releases.deploy import write
    from burgee.releases.overrides import lay, served

    changes = definition_keys(keys or [])
    if absent == bool(changes):
        raise typer.BadParameter("give KEY=VALUE or --absent, not both")
    act = act_on(where, "override.set", reason, expires_in)

    def decide(state: State, snapshot: Snapshot) -> Change:
        definition = served(state, snapshot, flag, act.now)
        if definition is None and not new:
            raise unknown_there(where, flag, state, snapshot, "; `burgee override set --new` creates it")
        wanted = {key: value for key, value in {**(definition or {}), **changes}.items() if value is not None}
        return lay(state, snapshot, flag, None if absent else wanted, act, reuse=reuse)

    with opened(where) as store:
        write(store, decide)
    output.say(f"{flag}: override set{_until(act)} ({described(where)})")


@override_app.command("clear")
@on_store
def clear_override(
    where: StoreOptions,
    flag: FlagName,
    reason: ReasonOption = "",
) -> None:
    """Remove an override, so that the release applies again."""
    from burgee.releases.deploy import write
    from burgee.releases.overrides import lift

    act = act_on(where, "override.clear", reason)
    with opened(where) as store:
        write(store, lambda state, snapshot: lift(state, snapshot, flag, act))
    output.say(f"{flag}: the release applies again ({described(where)})")


@override_app.command("list")
@on_store
def list_overrides(
    where: StoreOptions,
    json: Json = False,
) -> None:
    """List overrides: what, author, reason, expiry."""

    with opened(where) as store:
        overrides = list(store.state().overrides.values())
    if json:
        output.as_json([asdict(override) for override in overrides])
        return
    for one in overrides:
        until = f", until {one.expires_at}" if one.expires_at else ""
        author, reason = output.one_line(one.author), output.one_line(one.reason)
        output.say(f"{one.flag}: {output.short(one.definition)}  by {author} at {one.updated_at}{until}: {reason}")
    if not overrides:
        output.say(f"no overrides ({described(where)})")


@on_store
def kill(
    where: StoreOptions,
    flag: FlagName,
    reason: ReasonOption,
    expires_in: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it expires, such as 30m, 2h or 7d.")
    ] = None,
) -> None:
    """Switch a flag off immediately, whatever its schedule, until `burgee unkill` or until Git agrees."""
    from burgee.releases.deploy import write
    from burgee.releases.overrides import killed, lay, served

    act = act_on(where, "flag.kill", reason, expires_in)

    def decide(state: State, snapshot: Snapshot) -> Change:
        definition = served(state, snapshot, flag, act.now)
        if definition is None:
            raise unknown_there(where, flag, state, snapshot)
        return lay(state, snapshot, flag, killed(definition), act)

    with opened(where) as store:
        write(store, decide)
    output.say(f"{flag}: off{_until(act)} ({described(where)})")


@on_store
def unkill(
    where: StoreOptions,
    flag: FlagName,
    reason: ReasonOption = "",
) -> None:
    """Undo a kill: the flag is as before."""
    from burgee.releases.deploy import write
    from burgee.releases.overrides import OFF_IN_FILE, lay, revived, served

    act = act_on(where, "flag.unkill", reason)

    also = ""

    def decide(state: State, snapshot: Snapshot) -> Change:
        nonlocal also
        if served(state, snapshot, flag, act.now) is None:
            raise unknown_there(where, flag, state, snapshot)
        before = revived(state, snapshot, flag, act.now)
        also = "" if before.get("status") else f"; {OFF_IN_FILE}"
        return lay(state, snapshot, flag, before, act)

    with opened(where) as store:
        write(store, decide)
    output.say(f"{flag}: as it was before the kill{also} ({described(where)})")


def unknown_there(where: StoreOptions, flag: str, state: State, snapshot: Snapshot, also: str = "") -> Refused:
    """The refusal of a flag that is not there, or of any while nothing is released."""
    known = {**snapshot["flags"], **state.overrides}
    if known or state.pointer.version:
        return unknown_flag(flag, known, also)
    named = f" --env {where.environment}" if where.environment else ""
    releasing = f"`burgee apply{named}`" if where.table else f"`burgee serve{named}` or `burgee apply{named}`"
    to = f" to {where.environment}" if where.environment else ""
    return Refused("no-release", f"nothing is released{to} yet ({releasing} releases the file){also}")


def _until(act: AuditContext) -> str:
    return f", until {act.until}" if act.until else ""
