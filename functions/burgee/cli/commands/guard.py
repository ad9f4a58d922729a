"""`burgee guard`: runs guarded rollouts, and lets a person pause, advance or stop one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from burgee.cli.experiments import Events, Keep
from burgee.cli.options import FlagName, Json, ReasonOption
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, act_on, described, on_store, opened

if TYPE_CHECKING:
    from burgee.releases.guarding import Guard, GuardRound, Step

guard_app = typer.Typer(no_args_is_help=True, help="Guarded rollouts.")


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    app.add_typer(guard_app, name="guard")


@guard_app.command("run")
@on_store
def run(where: StoreOptions, events: Events = None, keep: Keep = None, json: Json = False) -> None:
    """Run one round of every guard: measure, then advance, hold or roll back. Safe to repeat, and in two places."""
    from burgee.cli.guarding import round_record, run_guards
    from burgee.cli.stores import require_environment

    require_environment(where)
    with opened(where) as store:
        found, failed = run_guards(store, where, events, keep)
    if json:
        output.as_json([round_record(one) for one in found])
    else:
        for one in found:
            _show(one)
        if not found:
            output.say(f"no guard is running ({described(where)})")
    if failed:
        output.tell(output.one_line(f"A guard could not be run: {failed}"), typer.colors.RED)
        raise typer.Exit(1)


@guard_app.command("status")
@on_store
def status(where: StoreOptions, json: Json = False) -> None:
    """Show each guard: its step, how long it was watched, what paused it, and what it waits for."""
    import time

    from burgee.cli.guarding import guard_record
    from burgee.releases.guarding import guards

    with opened(where) as store:
        found = guards(store, time.time())
    if json:
        output.as_json([guard_record(one) for one in found])
        return
    for one in found:
        output.say(_line(one))
    if not found:
        output.say(f"no guards ({described(where)})")


@guard_app.command("pause")
@on_store
def pause(where: StoreOptions, flag: FlagName, reason: ReasonOption = "") -> None:
    """Stop a guard from advancing; it still rolls back."""
    from burgee.guards import interventions

    _act(where, flag, "pause", reason, partial(interventions.pause, why=reason))


@guard_app.command("resume")
@on_store
def resume(where: StoreOptions, flag: FlagName, reason: ReasonOption = "") -> None:
    """Continue a paused guard; what paused it no longer acts in this step."""
    from burgee.guards import interventions

    _act(where, flag, "resume", reason, interventions.resume)


@guard_app.command("advance")
@on_store
def advance(where: StoreOptions, flag: FlagName, reason: ReasonOption = "") -> None:
    """Take the next step now; after the last one this ends the guard."""
    from burgee.guards import interventions

    _act(where, flag, "advance", reason, interventions.advance)


@guard_app.command("approve")
@on_store
def approve(where: StoreOptions, flag: FlagName, reason: ReasonOption = "") -> None:
    """Allow the next step, which waits for a person."""
    from burgee.guards import interventions

    _act(where, flag, "approve", reason, interventions.approve)


@guard_app.command("stop")
@on_store
def stop(
    where: StoreOptions,
    flag: FlagName,
    back: Annotated[bool, typer.Option("--back", help="Go back to the share in the file.")] = False,
    reason: ReasonOption = "",
) -> None:
    """End a guard at the share that it has reached."""
    from burgee.guards import interventions

    _act(where, flag, "stop", reason, partial(interventions.stop, back=back))


def _act(where: StoreOptions, flag: str, what: str, reason: str, step: Step) -> None:
    from burgee.releases.guarding import act

    by = act_on(where, f"guard.{what}", reason)
    with opened(where) as store:
        _show(act(store, flag, by, step))


def _show(one: GuardRound) -> None:
    from burgee.releases.guarding import sentence

    output.say(output.one_line(f"{one.flag} {sentence(one.decision)}"))


def _line(guard: Guard) -> str:
    from burgee.times import lasting

    state, plan = guard.state, guard.plan
    if guard.fault:
        return output.one_line(f"{guard.flag}: {guard.fault}")
    if state is None:
        return f"{guard.flag}: has not begun; its first step is taken by the next round"
    if state.ended is not None:
        why = "; ".join(one.message for one in state.ended.reasons)
        return output.one_line(
            f"{guard.flag}: {str(state.ended.outcome).replace('_', ' ')} at {state.share:g} %: {why}"
        )
    if plan is None or state.digest != guard.digest:
        return output.one_line(f"{guard.flag}: changed in Git, which ends the guard at {state.share:g} %")
    pause = state.pause
    paused = "" if pause is None else f", paused by {pause.by}{f': {pause.message}' if pause.message else ''}"
    waits = "; ".join(one.message for one in state.reasons if one.code not in {"paused", "hold"})
    waits = f"; waits: {waits}" if waits else ""
    if state.step < 0:
        return output.one_line(f"{guard.flag}: before its first step{paused}{waits}")
    watched = f"watched for {lasting(state.held / 1000)} of {lasting(plan.hold / 1000)}"
    step = f"step {state.step + 1} of {len(plan.steps)}, {state.share:g} %"
    return output.one_line(f"{guard.flag}: {step}, {watched}{paused}{waits}")
