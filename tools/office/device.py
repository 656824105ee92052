"""`tasdid server device`: a terminal is blocked by the centre, and unblocked, under four eyes.

    tasdid server device list --config server.toml --json
    tasdid server device block TSD-000001 --reason "stolen in Blida" --config server.toml --officer 2001 --key 2001.pem
    tasdid server device unblock TSD-000001 --reason "found, looked at" --config server.toml --officer 2001 --key 2001.pem
    tasdid server device approve TSD-000001 --proposal 1 --config server.toml --officer 2002 --key 2002.pem

A server that runs refuses a blocked terminal from the approval on (SRV-067), without a start: it takes nothing from it, asks no issuer for it,
tells it nothing. What is on file goes on; what the terminal has not sent it keeps until it is unblocked (`server.office.blocks`).
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.office import centre
from tools.office.centre import Config, Database, Key, Number, Proposal

app = typer.Typer(
    no_args_is_help=True, help="Block terminals that were stolen or lost, and unblock them, under four eyes."
)

Device = Annotated[str, typer.Argument(help="the terminal's id")]


def _word(blocked: int) -> str:
    return "is blocked" if blocked else "is not blocked any more"


def _propose(config: Path, db: str | None, number: int, key: Path, device: str, blocked: bool, reason: str) -> None:
    from server.office import blocks, signing

    with centre.transaction(config, db) as (connection, office):
        payload = blocks.draft(connection, device, blocked, reason, centre.now())
        signed = signing.decide(signing.private_key(key), number, blocks.PROPOSAL, payload)
        before = blocks.listed(connection)
        found = blocks.propose(connection, office, signed, centre.now())
        overtaken = centre.withdrawn(before, blocks.listed(connection))
    typer.echo(
        f"proposal {found}: {device} {_word(blocked)}; another officer approves it: --proposal {found}{overtaken}"
    )


@app.command("block")
def block(
    config: Config,
    number: Number,
    key: Key,
    device: Device,
    reason: Annotated[str, typer.Option(help="why nothing is to be taken from it")],
    db: Database = None,
) -> None:
    """Propose to block a terminal; another officer has to approve it."""
    _propose(config, db, number, key, device, True, reason)


@app.command("unblock")
def unblock(
    config: Config,
    number: Number,
    key: Key,
    device: Device,
    reason: Annotated[str, typer.Option(help="why it is to be heard again")],
    db: Database = None,
) -> None:
    """Propose to unblock a terminal; another officer has to approve it."""
    _propose(config, db, number, key, device, False, reason)


@app.command("approve")
def approve(config: Config, number: Number, key: Key, device: Device, proposal: Proposal, db: Database = None) -> None:
    """Approve what another officer proposed for a terminal; it holds at once."""
    from server.office import blocks, signing

    with centre.transaction(config, db) as (connection, office):
        payload = blocks.proposed(connection, device, proposal)
        signed = signing.decide(signing.private_key(key), number, blocks.APPROVAL, payload)
        blocks.approve(connection, office, signed, centre.now())
    typer.echo(f"proposal {proposal}: {device} {_word(payload[3])}: approved ({payload[5]})")


@app.command("list")
def listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List all terminals by name, with those that are blocked, and proposals, newest first."""
    from server.office import blocks
    from server.store import restore

    with centre.reading(config, db) as connection:
        found: dict[str, Any] = {"devices": blocks.terminals(connection)}
        found["blocks"] = centre.standing(blocks.listed(connection))
        found["restored"] = span = restore.span(connection)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found["devices"]:
        typer.echo("no terminal is known")
    if span is not None:
        first, last = map(centre.day, span)
        typer.echo(f"restored on {last} from a backup of {first}: who was blocked or unblocked in between is forgotten")
    for row in found["devices"]:
        heard = f"heard last on {centre.day(row['last_contact'])}" if row["last_contact"] else "never heard"
        blocked = f", blocked since {centre.day(row['blocked'])}" if row["blocked"] else ""
        typer.echo(f"{row['device']} of {row['unit']}: {heard}, record {row['seq']}{blocked}")
    for row in found["blocks"]:
        typer.echo(f"proposal {row['number']}: {row['device']} {_word(row['blocked'])}: {centre.decided(row)}")
