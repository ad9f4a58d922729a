"""`burgee shadow`: asks two systems about the same contexts, before one replaces the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from burgee.cli.options import Json, moment
from burgee.cli.render import output
from burgee.cli.stores import StoreOptions, on_store


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(shadow)


@on_store
def shadow(
    where: StoreOptions,
    old: Annotated[
        str,
        typer.Argument(
            metavar="OLD",
            help="What is used today: an address that speaks OFREP, unleash+ADDRESS, a .jsonl file of answers, "
            "or a flag file, Git revision, live:ENV or release:N.",
        ),
    ],
    new: Annotated[str | None, typer.Argument(metavar="[NEW]", help="The same; default: the flag file.")] = None,
    contexts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Contexts to ask about, JSONL or Parquet; - for standard input, which is followed.",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="The time at which flag files are evaluated, in RFC 3339; default now."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="FLAG", help="Compare this flag; may be given several times. Default: all."),
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option(metavar="PATH", dir_okay=False, help="Write the result with its inputs' digests.")
    ] = None,
    examples: Annotated[
        bool,
        typer.Option("--examples", help="Include one context for each difference in the certificate and --json."),
    ] = False,
    old_key: Annotated[
        str | None, typer.Option(metavar="KEY", envvar="BURGEE_SHADOW_OLD_KEY", help="OLD's API key.")
    ] = None,
    new_key: Annotated[
        str | None, typer.Option(metavar="KEY", envvar="BURGEE_SHADOW_NEW_KEY", help="NEW's API key.")
    ] = None,
    json: Json = False,
) -> None:
    """Compare two systems' answers to the same contexts; exit 1 unless all are the same."""
    import json as encoder
    import time

    from rich.console import Console
    from rich.progress import Progress

    from burgee.cli import shadowing
    from burgee.cli.contexts import length
    from burgee.files import write_file

    stream = contexts is not None and str(contexts) == "-"
    if contexts is None and not any(name.endswith(".jsonl") for name in (old, new or "")):
        raise typer.BadParameter("name a file of contexts, or - for standard input", param_hint="--contexts")
    if contexts is not None and not stream and not contexts.is_file():
        raise typer.BadParameter(f"{contexts} is not a regular file; - reads standard input", param_hint="--contexts")
    now = moment(at) if at is not None or stream else time.time()
    if certificate is not None and not certificate.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {certificate.parent}", param_hint="--certificate")
    sides = (old, old_key), (new or str(where.flags), new_key)
    file = None if stream else contexts
    total = next((Path(one) for one, _key in sides if one.endswith(".jsonl") and Path(one).is_file()), file)
    asked = shadowing.Asked(file, now, frozenset(only or ()))
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("comparing", total=None if total is None else length(total))
        one = shadowing.shadowed(sides, where, asked, lambda size: bar.advance(task, size))
    record = shadowing.certificate(one, examples=examples)
    if json:
        output.as_json(record)
    else:
        for line in shadowing.lines(one):
            output.say(line)
    if certificate is not None:  # last, so that a disk that is full costs nobody the result
        write_file(certificate, (encoder.dumps(record, indent=2, ensure_ascii=examples) + "\n").encode())
    raise typer.Exit(int(one.verdict != "same"))
