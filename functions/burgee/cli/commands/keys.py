"""The commands for a service's keys, settings and audit log."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.access.keys import Kind, Scope
from burgee.cli.options import Json, ReasonOption, duration
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, act_on, described, on_store, opened, write_through

if TYPE_CHECKING:
    from burgee.access.keys import Key

keys_app = typer.Typer(no_args_is_help=True, help="API keys.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, as listed by `burgee keys list`.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(keys_app, name="keys")
    app.command()(audit)
    app.command()(settings)


@keys_app.command("create")
@on_store
def create_key(
    where: StoreOptions,
    kind: Annotated[Kind, typer.Argument(help="Who uses it: a browser or app, a server, an operator.")],
    name: Annotated[str, typer.Option("--name", help="Its name, shown in the audit log.")] = "",
    scopes: Annotated[
        list[Scope] | None, typer.Option("--scope", help="What an admin key may do, default read. Repeatable.")
    ] = None,
    expires_in: Annotated[str | None, typer.Option(metavar="TIME", help="When it expires, such as 90d.")] = None,
    reason: ReasonOption = "",
    json: Json = False,
) -> None:
    """Create a key for this project and environment. Its token is printed only once."""
    from burgee.access.keys import create

    act = act_on(where, "key.create", reason, expires_in)
    with opened(where) as store:
        key, token = create(store, kind, name or f"{kind} key", act, tuple(scopes or ()))
    if json:
        output.as_json({**_record(key, None), "token": token})
        return
    output.say(token)
    output.tell(f"This {kind} key ({key.id}) of {described(where)} is not shown again.")


@keys_app.command("list")
@on_store
def list_keys(where: StoreOptions, json: Json = False) -> None:
    """List the keys of this project and environment, without their secrets."""
    from burgee.access.keys import listed

    with opened(where) as store:
        found = listed(store)
    if json:
        output.as_json([_record(key, used) for key, used in found])
        return
    for key, used in found:
        fault = key.fault(time.time())
        state = fault or (f"until {key.expires_at}" if key.expires_at else "works")
        scopes = ",".join(key.scopes)
        output.say(f"{key.id}  {key.kind:6} {scopes:18} {state:30} last used {used or 'never'}  {key.name}")
    if not found:
        output.say(f"no keys ({described(where)})")


@keys_app.command("revoke")
@on_store
def revoke_key(where: StoreOptions, key: Id, reason: ReasonOption = "") -> None:
    """Revoke a key, everywhere within a minute."""
    from burgee.access.keys import revoke

    write_through(where, "key.revoke", reason, lambda store, act: revoke(store, key, act), f"{key}: revoked")


@keys_app.command("rotate")
@on_store
def rotate_key(
    where: StoreOptions,
    key: Id,
    overlap: Annotated[str, typer.Option(metavar="TIME", help="How long the old key stays valid.")] = "1d",
    reason: ReasonOption = "",
    json: Json = False,
) -> None:
    """Replace a key; the old one stays valid for a while. The new token is printed only once."""
    from burgee.access.keys import rotate

    length = duration(overlap, "--overlap")
    act = act_on(where, "key.rotate", reason)
    with opened(where) as store:
        made, token = rotate(store, key, length, act)
    if json:
        output.as_json({**_record(made, None), "token": token})
        return
    output.say(token)
    output.tell(f"The key {key} of {described(where)} stays valid for {overlap}.")


@on_store
def audit(
    where: StoreOptions,
    flag: Annotated[str | None, typer.Option("--flag", metavar="NAME", help="Changes to this flag.")] = None,
    actor: Annotated[str | None, typer.Option("--actor", metavar="WHO", help="Changes by this author.")] = None,
    action: Annotated[str | None, typer.Option("--action", metavar="WHAT", help="Such as flag.kill, or key.")] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="From this time on, in RFC 3339.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before then.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, newest first.")] = 50,
    cursor: Annotated[str | None, typer.Option("--cursor", metavar="ID", help="Continue from here.")] = None,
    json: Json = False,
) -> None:
    """List who changed what, when and why, newest first."""
    from burgee.cli.options import moment
    from burgee.stores.audit import AuditFilter, search

    wanted = AuditFilter(flag, actor, action, None, moment(since, "--since"), moment(until, "--until"))
    with opened(where) as store:
        found = search(store, wanted, limit=limit, cursor=cursor)
    if json:
        output.as_json({"entries": [asdict(entry) for entry in found.entries], "cursor": found.cursor})
        return
    for entry in found.entries:
        what = f" {entry.flag}" if entry.flag else ""
        why = f": {output.one_line(entry.reason)}" if entry.reason else ""
        output.say(f"{entry.at:24} {entry.action:18}{what}  by {output.one_line(entry.actor)}{why}")
        # Keys in another order are not a change: an override that Git caught up with may differ in that.
        if entry.flag is not None and entry.before != entry.after:
            for line in output.definition_changes(entry.before, entry.after):
                output.say(f"    {line}")
    if not found.entries:
        found_none = "no entries" if (flag or actor or action or since or until or cursor) else "no entries yet"
        output.say(f"{found_none} ({described(where)})")
    if found.cursor is not None:
        output.tell(f"older entries: --cursor {found.cursor}")


@on_store
def settings(
    where: StoreOptions,
    cors_origins: Annotated[
        list[str] | None, typer.Option("--cors-origin", metavar="ORIGIN", help="A web origin to allow. Repeatable.")
    ] = None,
    no_cors: Annotated[bool, typer.Option("--no-cors", help="Allow no web page.")] = False,
    reason: ReasonOption = "",
) -> None:
    """Show or replace the project's settings."""
    from burgee.access.settings import change
    from burgee.access.settings import settings as current

    if no_cors and cors_origins:
        raise typer.BadParameter("give --cors-origin or --no-cors, not both")
    act = act_on(where, "settings.change", reason) if cors_origins or no_cors else None
    with opened(where) as store:
        found = current(store) if act is None else change(store, cors_origins or [], act)
    output.as_json(asdict(found))
    if act is not None:
        output.tell(f"Changed for {described(where)}.")


def _record(key: Key, used: str | None) -> dict[str, object]:
    from burgee.access.keys import public_record

    return {**public_record(key), "last_used_at": used}
