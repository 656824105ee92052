"""`tasdid server suspense`: what has become of money in suspense is decided by the centre, under four eyes.

    tasdid server suspense list --config server.toml --json
    tasdid server suspense propose gap TSD-000001/1/42 --collected 2000,00 --scheme CIB --nothing 500,00 --reason "acquirer's file of 3 May" \
        --config server.toml --officer 2001 --key 2001.pem
    tasdid server suspense approve gap TSD-000001/1/42 --proposal 1 --config server.toml --officer 2002 --key 2002.pem
    tasdid server suspense propose gap TSD-000001/1/42 --undo 1 --reason "counted twice" …

An item is named as its alarm names it: `gap` with terminal/epoch/sequence of its first lost record, `result` with those of the payment's intent. The
two may have one number, so the word is always said. Amounts are dinars, with both decimals as the list shows them (`tools.office.amounts`): a figure
in centimes, as alarms say it, is refused. `--collected` is what the acquirer has captured: it becomes income of the device's place. Its scheme is one
that the ledger has already, or is said with `--new-scheme`. `--nothing` is what nobody paid, or what was counted twice: its entries are undone.
"""

import json
from enum import StrEnum
from typing import Annotated, Any

import typer

from tools.office import amounts, centre
from tools.office.centre import Config, Database, Key, Number, Proposal

app = typer.Typer(no_args_is_help=True, help="Money in suspense: what became of it, under four eyes.")


class Kind(StrEnum):
    """What holds money in suspense."""

    gap = "gap"
    result = "result"


What = Annotated[Kind, typer.Argument(help="lost records, or an approved result whose outcome is lost")]
Name = Annotated[str, typer.Argument(help="terminal/epoch/sequence: of the first lost record, or of the intent")]


def _item(kind: Kind, name: str) -> Any:
    from server.office import decisions

    numbers = {word: number for number, word in decisions.KINDS.items()}
    return decisions.Item(numbers[kind.value], *centre.identity(name))


def _told(said: dict[str, Any]) -> str:
    """A decision in words, by the names of its table."""
    parts = []
    if said["collected"]:
        parts.append(f"{amounts.written(said['collected'])} collected ({said['scheme']})")
    if said["untaken"]:
        parts.append(f"{amounts.written(said['untaken'])} nothing")
    many = "1 payment" if said["payments"] == 1 else f"{said['payments']} payments"
    undone = f"decision {said['undoes']} undone: " if said["undoes"] else ""
    name = f"{said['kind']} {said['device']}/{said['epoch']}/{said['seq']}"
    return f"{name}, {undone}{' and '.join(parts)}, {many}"


def _named(payload: dict[int, Any]) -> str:
    from server.office import decisions

    said = decisions.named(payload)
    return _told({**said, "kind": decisions.KINDS[said["kind"]]})


@app.command("propose")
def propose(
    config: Config,
    number: Number,
    key: Key,
    kind: What,
    name: Name,
    reason: Annotated[str, typer.Option(help="how the officers know")],
    collected: Annotated[str | None, typer.Option(help="captured by the acquirer, dinars: 2000,00")] = None,
    scheme: Annotated[str, typer.Option(help="the card scheme of what was collected, as the ledger names it")] = "",
    new_scheme: Annotated[
        bool, typer.Option("--new-scheme", help="the ledger has nothing of this scheme yet, and it is right")
    ] = False,
    nothing: Annotated[str | None, typer.Option(help="not paid, or counted twice, dinars: 2000,00")] = None,
    payments: Annotated[
        int, typer.Option(help="how many payments it is; else one of each, or all that is left", min=0)
    ] = 0,
    undo: Annotated[
        int, typer.Option(help="take decision NUMBER of the item back instead: its proposal's number", min=0)
    ] = 0,
    db: Database = None,
) -> None:
    """Propose what has become of money in suspense; another officer has to approve it."""
    from protocol.errors import ParameterError
    from server.office import decisions, signing

    item = _item(kind, name)
    found = decisions.Finding(amounts.read(collected), scheme, amounts.read(nothing), payments)
    if undo and any(found):
        raise ParameterError("what is undone is not said anew", "PRM-037", "give --undo alone", undo)
    with centre.transaction(config, db) as (connection, office):
        if undo:
            payload = decisions.draft_undo(connection, item, undo, reason, centre.now())
        else:
            payload = decisions.draft(connection, item, found, reason, centre.now())
            if scheme and not new_scheme:
                decisions.must_know(connection, scheme)
        signed = signing.decide(signing.private_key(key), number, decisions.PROPOSAL, payload)
        before = decisions.listed(connection)
        entered = decisions.propose(connection, office, signed, centre.now())
        overtaken = centre.withdrawn(before, decisions.listed(connection))
    typer.echo(f"proposal {entered}: {_named(payload)}; another officer approves it: --proposal {entered}{overtaken}")


@app.command("approve")
def approve(
    config: Config, number: Number, key: Key, kind: What, name: Name, proposal: Proposal, db: Database = None
) -> None:
    """Approve what another officer proposed for an item; it is posted at once."""
    from server.office import decisions, signing

    item = _item(kind, name)
    with centre.transaction(config, db) as (connection, office):
        payload = decisions.proposed(connection, item, proposal)
        signed = signing.decide(signing.private_key(key), number, decisions.APPROVAL, payload)
        decisions.approve(connection, office, signed, centre.now())
    typer.echo(f"proposal {proposal}: {_named(payload)}: approved and posted ({payload[12]})")


@app.command("list")
def listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List what is in suspense, oldest first, and what was proposed about it, newest first. In JSON amounts are centimes."""
    from server.office import decisions

    with centre.reading(config, db) as connection:
        found = {"items": decisions.items(connection), "decisions": centre.standing(decisions.listed(connection))}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found["items"]:
        typer.echo("nothing is in suspense")
    for row in found["items"]:
        what = "approved, its outcome is lost"
        if row["kind"] == "gap":
            what = f"records {row['first']} to {row['last']} are lost, {row['payments']} payments left"
        name = f"{row['kind']} {row['device']}/{row['epoch']}/{row['seq']}"
        typer.echo(
            f"{name} {amounts.written(row['left'])} of {amounts.written(row['amount'])}: {what}, since {centre.day(row['at'])}"
        )
    for row in found["decisions"]:
        typer.echo(f"proposal {row['number']}: {_told(row)}: {centre.decided(row)}")
