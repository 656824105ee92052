"""`tasdid server fork`: a payment of which there are two records of one sequence is decided by the centre, under four eyes.

    tasdid server fork list --config server.toml --json
    tasdid server fork propose TSD-000001/1/42 --stands --reason "the acquirer has it, the other branch is a copy" \
        --config server.toml --officer 2001 --key 2001.pem
    tasdid server fork propose TSD-000001/1/42 --given-back --reason "the driver has paid at the counter" …
    tasdid server fork approve TSD-000001/1/42 --proposal 1 --config server.toml --officer 2002 --key 2002.pem

`--stands`: it counts as its outcome on file says, and what was held of its requests goes on. `--given-back`: it stays out of the books, and is
reversed at the acquirer, whether anything of it was sent or not. What is declined, and was to be reversed, cannot stand.
The record of one more branch holds a payment again that stands.
"""

import json
from typing import Annotated, Any

import typer

from tools.office import amounts, centre
from tools.office.centre import Config, Database, Key, Number, Payment, Proposal

app = typer.Typer(
    no_args_is_help=True, help="Payments that a fork holds: they stand, or are given back, under four eyes."
)
_OUTCOMES = {1: "approved", 2: "deferred", 3: "declined", 4: "interrupted"}
_ACQUIRER = {
    "nothing": "the acquirer was asked nothing",
    "asked": "the acquirer was asked, and may have taken it",
    "captured": "captured",
    "refused": "refused by the issuer",
    "reversal asked": "its reversal is under way",
    "reversed": "reversed by the acquirer: if it stands, nothing is collected",
}


_NOTHING = ("refused", "not answered", "given up")


def _told(said: dict[str, Any]) -> str:
    """A verdict in words, by the names of its table."""
    name = f"{said['device']}/{said['epoch']}/{said['intent']}"
    others = "1 other record" if said["branches"] == 1 else f"{said['branches']} other records"
    word = "stands" if said["stands"] else "is given back"
    return f"payment {name} of {amounts.written(said['amount'])} {word}, against {others}"


def _gone(stands_reversed: bool) -> str:
    return ", but the acquirer has reversed it: nothing is collected" if stands_reversed else ""


@app.command("propose")
def propose(
    config: Config,
    number: Number,
    key: Key,
    payment: Payment,
    reason: Annotated[str, typer.Option(help="how the officers know")],
    stands: Annotated[
        bool, typer.Option("--stands/--given-back", help="it counts as on file, or it stays out and is reversed")
    ],
    db: Database = None,
) -> None:
    """Propose what becomes of a payment that a fork holds; another officer has to approve it."""
    from server.office import branches, signing

    identity = centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        payload = branches.draft(connection, identity, stands, reason, centre.now())
        signed = signing.decide(signing.private_key(key), number, branches.PROPOSAL, payload)
        before = branches.listed(connection)
        found = branches.propose(connection, office, signed, centre.now())
        overtaken = centre.withdrawn(before, branches.listed(connection))
        gone = _gone(stands and branches.is_reversed(connection, identity))
    typer.echo(
        f"proposal {found}: {_told(branches.named(payload))}{gone}; another officer approves it: --proposal {found}{overtaken}"
    )


@app.command("approve")
def approve(
    config: Config, number: Number, key: Key, payment: Payment, proposal: Proposal, db: Database = None
) -> None:
    """Approve what another officer proposed for a payment; it is carried out at once."""
    from server.office import branches, signing

    identity = centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        payload = branches.proposed(connection, identity, proposal)
        gone = _gone(branches.named(payload)["stands"] == 1 and branches.is_reversed(connection, identity))
        signed = signing.decide(signing.private_key(key), number, branches.APPROVAL, payload)
        branches.approve(connection, office, signed, centre.now())
    typer.echo(f"proposal {proposal}: {_told(branches.named(payload))}{gone}: approved ({payload[10]})")


@app.command("list")
def listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List payments that a fork holds, oldest first, and what was proposed about them, newest first. In JSON amounts are centimes."""
    from server.office import branches

    with centre.reading(config, db) as connection:
        found = {"held": branches.held(connection), "verdicts": centre.standing(branches.listed(connection))}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found["held"]:
        typer.echo("no payment is held for a fork")
    for row in found["held"]:
        name = f"{row['device']}/{row['epoch']}/{row['intent']}"
        others = "; ".join(_other(one) for one in row["others"])
        what = f"record {row['seq']} says {_OUTCOMES[row['outcome']]}" + (f", another says {others}" if others else "")
        known = "; ".join([_ACQUIRER[row["acquirer"]], *_so_far(row)])
        typer.echo(f"{name} {amounts.written(row['amount'])} of {centre.day(row['utc'])}: {what}; {known}")
    for row in found["verdicts"]:
        typer.echo(f"proposal {row['number']}: {_told(row)}: {centre.decided(row)}")


def _so_far(row: dict[str, Any]) -> list[str]:
    """The final word on file about a payment that is held, and a reversal that came to nothing, or may have."""
    said = ["a second terminal has put it to the issuer of another card: it cannot stand"] if row["another"] else []
    said += [] if row["result"] is None else [f"the final result for its terminal is {_OUTCOMES[row['result']]}"]
    return said + ([f"its reversal was {row['reversal']}"] if row["reversal"] in _NOTHING else [])


def _other(said: dict[str, Any]) -> str:
    """A record of another branch in words."""
    if "outcome" not in said:
        return f"something else (a record of kind {said['kind']})"
    amount = amounts.written(said["amount"])
    return f"payment {said['intent']} of {amount} {_OUTCOMES.get(said['outcome'], 'otherwise')}"
