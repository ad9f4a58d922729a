"""The commands for proposals: edits of the flag file that wait until a pipeline opens a pull request for each."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.commands.deploy import unknown_there
from burgee.cli.options import FlagName, Json, ReasonOption, definition_keys, not_blank
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, act_on, described, on_store, opened, write_through

if TYPE_CHECKING:
    from burgee.cli.render.diff_report import Comparison
    from burgee.releases.proposals import Proposal, Run
    from burgee.stores import Store

proposals_app = typer.Typer(help="Edits of the flag file that wait for a pull request.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The proposal's id, as `burgee proposals` lists it.")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.command()(propose)
    app.add_typer(proposals_app, name="proposals")


@on_store
def propose(
    where: StoreOptions,
    flag: FlagName,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Keys of the flag, such as rollout_percentage=50.")
    ] = None,
    *,
    why: Annotated[
        str, typer.Option("--reason", "--why", callback=not_blank, help="Why; shown in the pull request.")
    ],
    title: Annotated[str, typer.Option("--title", help="The pull request's title; default: from the change.")] = "",
    absent: Annotated[bool, typer.Option("--absent", help="Remove the flag from the file.")] = False,
    new: Annotated[bool, typer.Option("--new", help="Add a flag that the file does not have.")] = False,
    json: Json = False,
) -> None:
    """Propose an edit of the flag file: `burgee propose beta rollout_percentage=50 --reason "no errors"`."""
    from burgee.releases.deploy import live
    from burgee.releases.proposals import Edit, create, last_run

    changes = definition_keys(keys or [])
    if absent == bool(changes):
        raise typer.BadParameter("give KEY=VALUE or --absent, not both")
    wanted = {key: value for key, value in changes.items() if value is not None}
    edit = Edit(flag, wanted, tuple(key for key in changes if key not in wanted), absent)
    act = act_on(where, "proposal.create", why)
    with opened(where) as store:
        state, snapshot = live(store)
        if flag not in snapshot["flags"] and not new:
            raise unknown_there(where, flag, state, snapshot, "; `burgee propose --new` adds it")
        made = create(store, edit, title, act)
        effect, run = _effect(store, made, act.now), last_run(store)
    if json:
        output.as_json(_record(made, run, effect))
        return
    output.say(f"{made.id}: {made.title} ({described(where)})")
    _show(effect)
    output.say(_opens(made, run))


@proposals_app.callback(invoke_without_command=True)
@on_store
def list_proposals(
    where: StoreOptions,
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Also list those that were merged or closed.")] = False,
    json: Json = False,
) -> None:
    """List waiting and open proposals, newest first; use `show` and `close` for one of them."""
    if context.invoked_subcommand is not None:
        return
    from burgee.releases.deploy import live
    from burgee.releases.proposals import ENDED, last_run, listed

    with opened(where) as store:
        snapshot, run = live(store)[1], last_run(store)
        found = [one.seen_from(snapshot) for one in listed(store, time.time())]
    shown = [one for one in found if every or one.state not in ENDED]
    if json:
        output.as_json([_record(one, run) for one in shown])
        return
    for one in shown:
        title, author = output.one_line(one.title), output.one_line(one.author)
        output.say(f"{one.id}  {one.state}  {one.edit.flag}: {title}  by {author} at {one.created_at}")
        output.say(f"    {_opens(one, run)}")
    if not shown:
        output.say("no proposals")


@proposals_app.command("show")
@on_store
def show_proposal(where: StoreOptions, proposal: Id, json: Json = False) -> None:
    """Show a proposal and its current effect."""
    from burgee.releases.deploy import live
    from burgee.releases.proposals import find, last_run

    with opened(where) as store:
        made, run = find(store, proposal).seen_from(live(store)[1]), last_run(store)
        effect = _effect(store, made, time.time())
    if json:
        output.as_json(_record(made, run, effect))
        return
    output.say(f"{made.title}\n{made.edit.flag}: {_edit_words(made)}")
    output.say(f"by {made.author} at {made.created_at}: {made.why}")
    output.say(_opens(made, run))
    _show(effect)


@proposals_app.command("close")
@on_store
def close_proposal(where: StoreOptions, proposal: Id, reason: ReasonOption = "") -> None:
    """Close a proposal without a pull request; otherwise close the pull request."""
    from burgee.releases.proposals import withdraw

    done = f"{proposal}: closed"
    write_through(where, "proposal.withdraw", reason, lambda store, act: withdraw(store, proposal, act), done)


def _edit_words(made: Proposal) -> str:
    if made.edit.absent:
        return "removed from the file"
    words = [f"{key} = {output.short(value)}" for key, value in made.edit.set.items()]
    return ", ".join([*words, *(f"without {key}" for key in made.edit.unset)])


def _opens(made: Proposal, run: Run | None) -> str:
    """The address of the pull request, or when it will be opened."""
    from burgee.releases.proposals import ProposalState
    from burgee.times import format_time

    if made.address is not None:
        return f"{made.state}: {made.address}"
    if made.state is ProposalState.OUTDATED:
        return "outdated: the flag has changed since, so no pull request is opened; close it, and propose it again"
    if made.state is not ProposalState.WAITING:
        return str(made.state)
    if run is None:
        return "a pull request is opened when `burgee reconcile` runs; it has not run here yet"
    expected = run.next()
    when = f"the last run was at {run.at}" if expected is None else f"expected at {format_time(expected)}"
    return f"a pull request is opened by the next run of `burgee reconcile`, {when}"


def _effect(store: Store, made: Proposal, now: float) -> Comparison:
    from burgee.cli.effect import effect_between
    from burgee.releases.deploy import live
    from burgee.releases.overrides import laid_over
    from burgee.releases.proposals import merged

    state, snapshot = live(store)
    before = laid_over(snapshot, state.overrides.values(), now)
    return effect_between(before, merged(made.edit, before, snapshot), now)


def _show(effect: Comparison) -> None:
    from burgee.cli.render.diff_text import text

    output.styled(text(effect))


def _record(made: Proposal, run: Run | None, effect: Comparison | None = None) -> dict[str, object]:
    from burgee.diff.records import flag_records
    from burgee.times import format_time

    expected = None if run is None or made.address is not None else run.next()
    record = {**asdict(made), "edit": made.edit._asdict(), "opens_at": expected and format_time(expected)}
    if effect is not None:
        record["effect"] = {"flags": flag_records(effect.reports[0].effects)}
    return record
