"""`tasdid server refund`: an approved payment is given back by the centre, under four eyes.

    tasdid server refund propose --config server.toml --officer 2001 --key 2001.pem TSD-000001/1/42 --reason "paid twice"
    tasdid server refund approve --config server.toml --officer 2002 --key 2002.pem TSD-000001/1/42 --proposal 1
    tasdid server refund list --config server.toml --json

A payment is named by its identity, terminal/epoch/sequence of the intent, as the ledger shows it. The reversal goes to the acquirer with the
server's next requests; the ledger follows its answer.
"""

import json
from typing import Annotated

import typer

from tools.office import amounts, centre
from tools.office.centre import Config, Database, Key, Number, Payment, Proposal

app = typer.Typer(no_args_is_help=True, help="Give payments back, under four eyes.")


def _told(payload: dict) -> str:
    return (
        f"refund of {amounts.written(payload[4])}, payment {payload[1]}/{payload[2]}/{payload[3]}, report {payload[5]}"
    )


@app.command("propose")
def propose(
    config: Config,
    number: Number,
    key: Key,
    payment: Payment,
    reason: Annotated[str, typer.Option(help="why the money is given back")],
    db: Database = None,
) -> None:
    """Propose to give an approved payment back; another officer has to approve it."""
    from server.office import refunds, signing

    identity = centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        payload = refunds.draft(connection, identity, reason, centre.now())
        signed = signing.decide(signing.private_key(key), number, refunds.PROPOSAL, payload)
        before = refunds.listed(connection)
        found = refunds.propose(connection, office, signed, centre.now())
        overtaken = centre.withdrawn(before, refunds.listed(connection))
    typer.echo(f"proposal {found}: {_told(payload)}; another officer approves it: --proposal {found}{overtaken}")


@app.command("approve")
def approve(
    config: Config, number: Number, key: Key, payment: Payment, proposal: Proposal, db: Database = None
) -> None:
    """Approve what another officer proposed for a payment."""
    from server.office import refunds, signing

    identity = centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        payload = refunds.proposed(connection, identity, proposal)
        signed = signing.decide(signing.private_key(key), number, refunds.APPROVAL, payload)
        refunds.approve(connection, office, signed, centre.now())
    typer.echo(f"proposal {proposal}: {_told(payload)}: approved, the acquirer is asked ({payload[8]})")


@app.command("list")
def listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List proposals, newest first, and reports that were paid twice."""
    from server.office import refunds

    with centre.reading(config, db) as connection:
        twice, many = refunds.paid_twice(connection)
        found = {"refunds": centre.standing(refunds.listed(connection)), "paid_twice": twice, "paid_twice_count": many}
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not any(found.values()):
        typer.echo("no refund has been proposed, no report was paid twice")
    for row in found["refunds"]:
        name = f"{row['device']}/{row['epoch']}/{row['intent']}"
        typer.echo(f"proposal {row['number']}: {name} {amounts.written(row['amount'])}: {centre.decided(row)}")
    for row in twice:
        names = ", ".join("/".join(map(str, payment)) for payment in row["payments"])
        more = f" and {row['count'] - len(row['payments'])} more" if row["count"] > len(row["payments"]) else ""
        typer.echo(f"report {row['pv']} was paid more than once: {names}{more}")
    if many > len(twice):
        typer.echo(
            f"and {many - len(twice)} more reports were paid more than once: they are named once these are decided"
        )
