"""The commands for webhooks."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.options import Json, ReasonOption, duration, moment
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, act_on, described, on_store, opened, write_through
from burgee.cli.webhooks import require_vault

if TYPE_CHECKING:
    from burgee.stores import Store
    from burgee.webhooks.endpoints import Endpoint, Made

webhooks_app = typer.Typer(no_args_is_help=True, help="Services and Slack channels that receive every change.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The webhook's id, as listed by `burgee webhooks list`.")]
POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(webhooks_app, name="webhooks")


@webhooks_app.command("add")
@on_store
def add_webhook(
    where: StoreOptions,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="A public HTTPS address, or this machine's for trying out.")
    ],
    slack: Annotated[bool, typer.Option("--slack", help="It is a Slack channel's incoming webhook.")] = False,
    name: Annotated[str, typer.Option("--name", help="Its name in lists; default its host.")] = "",
    actions: Annotated[
        list[str] | None,
        typer.Option("--action", metavar="WHAT", help="Only these, such as flag.kill, or flag. Repeatable."),
    ] = None,
    link: Annotated[
        str | None, typer.Option("--link", metavar="URL", help="The service's address, for links to the console.")
    ] = None,
    reason: ReasonOption = "",
    json: Json = False,
) -> None:
    """Send changes to an address from now on. Its signing secret is printed only once."""
    from burgee.webhooks.endpoints import Kind, Wanted, add

    wanted = Wanted(url, Kind.SLACK if slack else Kind.STANDARD, name, actions or (), link)
    vault, act = require_vault(where), act_on(where, "webhook.add", reason)
    with opened(where) as store:
        made = add(store, vault, wanted, act, loopback=where.table is None)
    _show_made(made, f"changes of {described(where)} are sent to {made.endpoint.address}", json=json)


@webhooks_app.command("list")
@on_store
def list_webhooks(where: StoreOptions, json: Json = False) -> None:
    """List webhooks, without their URLs' paths and their secrets."""
    from burgee.webhooks.endpoints import listed, public_record

    with opened(where) as store:
        found = listed(store)
    if json:
        output.as_json([public_record(one) for one in found])
        return
    for one in found:
        actions = ",".join(one.actions) or "every change"
        name = output.one_line(one.name)
        output.say(f"{one.id}  {one.kind:8} {_state(one):30} {one.address}  {actions}  {name}")
    if not found:
        output.say(f"no webhooks ({described(where)})")


@webhooks_app.command("show")
@on_store
def show_webhook(where: StoreOptions, webhook: Id, json: Json = False) -> None:
    """Show a webhook's last attempt, what waits for it, and its dead letters."""
    from burgee.webhooks.endpoints import find, public_record
    from burgee.webhooks.replaying import health

    with opened(where) as store:
        found, state = find(store, webhook), health(store, webhook, time.time())
    if json:
        output.as_json({**public_record(found), **state._asdict()})
        return
    output.say(f"{found.id}  {_state(found)}  {found.address}")
    if state.last is not None:
        how = "delivered" if state.last["delivered"] else state.last["why"]
        output.say(f"last attempt at {state.last['at']}: {how}")
    output.say(f"{state.counts['waiting']:,} wait, {state.counts['dead']:,} dead letters")
    for one in state.waiting:
        when = f"after {one['behind']}" if one["behind"] else f"next at {one['next_at']}"
        output.say(f"  waits  {one['message']}  {one['flag'] or ''}  {when}  {one['why']}".rstrip())
    for one in state.dead:
        output.say(
            f"  dead   {one['message']}  {one['flag'] or ''}  ended at {one['ended_at']}  {one['why']}".rstrip()
        )


@webhooks_app.command("test")
@on_store
def try_webhook(
    where: StoreOptions,
    webhook: Id,
    wait: Annotated[str, typer.Option(metavar="TIME", help="How long to wait for the outcome.")] = "20s",
    reason: ReasonOption = "",
) -> None:
    """Send a test message, and report its outcome. Exits with 1 if it was not delivered in time."""
    from burgee.webhooks.endpoints import test

    end = time.monotonic() + duration(wait, "--wait")
    act = act_on(where, "webhook.test", reason)
    with opened(where) as store:
        message = test(store, webhook, act)
        outcome = _outcome(store, webhook, message)
        while outcome is None and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
            outcome = _outcome(store, webhook, message)
    if outcome is None:
        sender = "`burgee serve`" if where.table is None else "the stack, or `burgee serve --deliver`"
        output.tell(f"{message}: not sent yet; {sender} sends it", typer.colors.YELLOW)
        raise typer.Exit(1)
    output.say(f"{message}: {outcome or 'delivered'}")
    raise typer.Exit(int(bool(outcome)))


@webhooks_app.command("replay")
@on_store
def replay_messages(
    where: StoreOptions,
    webhook: Id,
    messages: Annotated[
        list[str] | None, typer.Argument(metavar="MESSAGE", help="Messages, by `data.id`; `show` lists it.")
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="All dead letters.")] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="All since this time, in RFC 3339.")
    ] = None,
    reason: ReasonOption = "",
) -> None:
    """Send messages to a webhook again, under the same ids."""
    from burgee.webhooks.replaying import Choice, health, replay

    if bool(messages) + dead + (since is not None) != 1:
        raise typer.BadParameter("give messages, --dead or --since")
    act = act_on(where, "webhook.replay", reason)
    with opened(where) as store:
        count = replay(store, webhook, Choice(messages or (), dead, moment(since, "--since")), act)
        still = 0 if count else health(store, webhook, time.time()).counts["waiting"]
    hint = f"; {still:,} still wait: --since sends them now" if still else ""
    output.say(f"{output.counted(count, 'message')} to send again{hint} ({described(where)})")


@webhooks_app.command("rotate")
@on_store
def rotate_secret(
    where: StoreOptions,
    webhook: Id,
    overlap: Annotated[str, typer.Option(metavar="TIME", help="How long the old secret goes on signing.")] = "1d",
    reason: ReasonOption = "",
    json: Json = False,
) -> None:
    """Add a signing secret; those before it go on signing for a while. The new one is printed only once."""
    from burgee.webhooks.endpoints import rotate

    length = duration(overlap, "--overlap")
    vault, act = require_vault(where), act_on(where, "webhook.rotate", reason)
    with opened(where) as store:
        made = rotate(store, vault, webhook, length, act)
    _show_made(made, f"the old secret also signs messages for {overlap}", json=json)


@webhooks_app.command("enable")
@on_store
def enable_webhook(where: StoreOptions, webhook: Id, reason: ReasonOption = "") -> None:
    """Let a disabled webhook receive messages again, from now on."""
    from burgee.webhooks.endpoints import enable

    write_through(
        where, "webhook.enable", reason, lambda store, act: enable(store, webhook, act), f"{webhook}: enabled"
    )


@webhooks_app.command("remove")
@on_store
def remove_webhook(where: StoreOptions, webhook: Id, reason: ReasonOption = "") -> None:
    """Remove a webhook, with what waits for it."""
    from burgee.webhooks.endpoints import remove

    write_through(
        where, "webhook.remove", reason, lambda store, act: remove(store, webhook, act), f"{webhook}: removed"
    )


def _outcome(store: Store, webhook: str, message: str) -> str | None:
    """The outcome of a test: empty if it was delivered, why its last attempt failed, None if there was none yet."""
    from burgee.stores import Shelf
    from burgee.webhooks.delivery import load

    key = f"{webhook}.{message}"
    dead = store.find(Shelf.DEAD_LETTERS, key)
    if dead is not None:
        return str(dead["why"])
    waiting = store.find(Shelf.DELIVERIES, key)
    if waiting is not None:
        return load(waiting).why or None
    return "" if store.find(Shelf.MESSAGES, message) is not None else None


def _state(found: Endpoint) -> str:
    return "receives changes" if found.disabled_at is None else f"disabled: {found.disabled_why}"


def _show_made(made: Made, done: str, *, json: bool) -> None:
    """Prints a new secret, which is not shown again; a webhook without one by its id."""
    from burgee.webhooks.endpoints import public_record

    found, secret = made
    if json:
        output.as_json({**public_record(found), "secret": secret})
        return
    output.say(secret or found.id)
    output.tell(f"{found.id}: {done}. {'The secret is not shown again.' if secret else ''}".rstrip())
