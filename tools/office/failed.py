"""`tasdid server failed`: what the acquirer has refused to judge, and a person decides.

Of a void that was refused the driver was told that the payment stands: its reversal does not go out again by `again`. To reverse it all the same is a
refund (`tasdid server refund`), which two officers sign. After a restore the reversal of a void waits for its terminal: `again` sends it all the
same, `give-up` has the payment stand once it has waited for a day (`waits`).

A clearing without a final answer for a day is sent no more by `give-up`. Then the acquirer says what it has: captured, `give-up` once more; not
captured, `again`, or a refund; reversed, `reversed`, if its reversal is listed as well. A reversal that is asked for goes out once the acquirer can
hold the clearing no longer (`holds`).

Each of these decisions is signed by an officer, who gives a reason (`server.office.rulings`). One that goes against what two officers have decided
last, a refund or a verdict about a fork, is signed by another one as well (`--second`, `--second-key`), or refused (PRM-033).

tasdid server failed list --config server.toml --json
tasdid server failed rulings --config server.toml --json
                                                what officers have decided about what had failed, and why
tasdid server failed again TSD-000001/1/42 --reason "the merchant's number is entered" --config server.toml --officer 2001 --key 2001.pem
                                                once more, after what was wrong has been mended
tasdid server failed again --clear TSD-000001/1/42 --reason "the acquirer will not give it back" \
    --config server.toml --officer 2001 --key 2001.pem --second 2002 --second-key 2002.pem
                                                cleared after all, though it was to be given back
tasdid server failed give-up TSD-000001/1/42 …  a deferred authorisation: declined, told to the terminal
                                                a refused reversal: nothing is reversed, says the acquirer; the payment stands, or a
                                                fork's verdict is to be made anew; not of what is declined: it ends by 'reversed' only
                                                what has no final answer: no longer sent. Once more, of a clearing with no reversal to
                                                be decided: it is captured
tasdid server failed reversed TSD-000001/1/42 … a refused reversal: it is reversed, says the acquirer
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.office import amounts, centre
from tools.office.centre import MOST, Config, Database, Key, Number, Payment

Reason = Annotated[str, typer.Option(help="how the officer knows")]
Second = Annotated[
    int | None,
    typer.Option("--second", help="number of another officer, against what two have decided", min=1, max=MOST),
]
SecondKey = Annotated[Path | None, typer.Option("--second-key", help="that officer's private key")]

_GIVEN_UP = {
    "authorisation": "declined; its terminal hears of it and erases the card data",
    "reversal": "the payment stands and is cleared; if it was to be voided, its terminal hears that this is refused",
    "clearing": "captured, says the acquirer; its card data are erased",
    "stopped": "its reversal is no longer sent, and listed as failed: ask the acquirer, then failed reversed, give-up once more, or again",
    "stopped clearing": "its clearing is no longer sent, and listed as failed: ask the acquirer, then failed give-up once more (captured),"
    " again (not captured), or tasdid server refund; a reversal that is asked for goes out by itself",
    "never stands": "its reversal is no longer sent, and listed as failed: ask the acquirer, then failed reversed, or again; it cannot stand",
    "held": "not reversed, and held for a fork: tasdid server fork; if it was to be voided, its terminal hears that this is refused",
}
app = typer.Typer(no_args_is_help=True, help="Requests that the acquirer did not judge: ask again, or give up.")


@app.command("list")
def listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List them, longest answered first; after them what has waited too long for an answer."""
    from protocol.sync import APPROVED
    from server.office import failures

    with centre.reading(config, db) as connection:
        found = failures.listed(connection)
        found += failures.waiting(connection, centre.now(), centre.waits(config))
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found:
        typer.echo("nothing has failed")
    for row in found:
        name = f"{row['device']}/{row['epoch']}/{row['intent']}"
        if "since" in row:
            hours = (centre.now() - row["since"]) // 3600
            typer.echo(
                f"{name} {amounts.written(row['amount'])}: {row['step']} without a final answer for {hours} hours"
            )
            continue
        said = (
            f"answered {row['response']}"
            if row["response"]
            else "without an answer: it could not be written, its terminal spoke first, or it was given up waiting for"
        )
        said += " about another amount" if row["response"] in APPROVED else ""
        said += ", its terminal has written that its void is done" if row["done"] else ""
        said += "" if row["again"] else ", not to be sent again"
        typer.echo(f"{name} {amounts.written(row['amount'])}: {row['step']} {said}")


@app.command("rulings")
def ruled(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List what officers have decided about requests that failed, newest first. In JSON amounts are centimes."""
    from server.office import rulings

    with centre.reading(config, db) as connection:
        found = rulings.listed(connection)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found:
        typer.echo("no officer has decided about what failed")
    for row in found:
        name = f"{row['device']}/{row['epoch']}/{row['intent']}"
        of = "" if row["amount"] is None else f" {amounts.written(row['amount'])}"
        who = (
            f"officer {row['ruled_by']}"
            if row["second_by"] is None
            else f"officers {row['ruled_by']} and {row['second_by']}"
        )
        typer.echo(f"{name}{of} on {centre.day(row['at'])}: {row['ruling']} ({row['step']}) by {who}: {row['reason']}")


def _signed(
    connection: Any,
    office: Any,
    identity: tuple[str, int, int],
    ruling: str,
    reason: str,
    officers: list[tuple[int, Path]],
    config: Path,
) -> str:
    """Have one or two officers sign a ruling, and carry it out; what was done."""
    from server.office import rulings, signing

    limits = rulings.Limits(centre.waits(config), centre.holds(config))
    payload = rulings.draft(connection, identity, ruling, reason, centre.now(), limits)
    made = [signing.decide(signing.private_key(key), number, rulings.RULING, payload) for number, key in officers]
    return rulings.decide(connection, office, made[0], centre.now(), made[1] if made[1:] else None, limits)


def _officers(number: int, key: Path, second: int | None, second_key: Path | None) -> list[tuple[int, Path]]:
    """Those who sign. BadParameter if of the second one only the number or only the key is named."""
    if second is None and second_key is None:
        return [(number, key)]
    if second is None or second_key is None:
        raise typer.BadParameter("--second and --second-key go together")
    return [(number, key), (second, second_key)]


@app.command("again")
def again(
    config: Config,
    number: Number,
    key: Key,
    payment: Payment,
    reason: Reason,
    second: Second = None,
    second_key: SecondKey = None,
    db: Database = None,
    clear: Annotated[bool, typer.Option("--clear", help="clear it after all, though it was to be given back")] = False,
) -> None:
    """Send a payment's failed requests once more, as repeats.

    Of a clearing and a reversal the one that was decided last: the reversal of a refund, the clearing if the driver was told that his void
    is refused. What he was told so of is given back by a refund only: tasdid server refund. To clear what two officers have given back takes two.
    """
    from server.office import rulings

    officers, identity = _officers(number, key, second, second_key), centre.identity(payment)
    ruling = rulings.CLEAR if clear else rulings.AGAIN
    with centre.transaction(config, db) as (connection, office):
        names = _signed(connection, office, identity, ruling, reason, officers, config)
    typer.echo(f"{payment}: {names} goes to the acquirer again")


@app.command("give-up")
def give_up(
    config: Config,
    number: Number,
    key: Key,
    payment: Payment,
    reason: Reason,
    second: Second = None,
    second_key: SecondKey = None,
    db: Database = None,
) -> None:
    """Declare a deferred authorisation declined, since no issuer will judge it, or none has for a day (`waits` in the configuration).

    A reversal or a clearing without a final answer for a day is sent no more. Ask the acquirer: the reversal is decided as a refused one, the
    clearing is captured if it is given up once more.

    Or a payment standing whose reversal was refused, since the acquirer says that nothing is reversed. One that is part of a fork is decided by two
    officers (tasdid server fork), be it that they had given it back. Not what is declined, or nobody took: the acquirer has to give it back.
    The reversal of what two officers have given back is given up by two.
    """
    from server.office import failures, rulings

    officers, identity = _officers(number, key, second, second_key), centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        step = _signed(connection, office, identity, rulings.GIVE_UP, reason, officers, config)
        if step == failures.STOPPED and not failures.may_stand(connection, identity):
            step = "never stands"
        step = "held" if step == "reversal" and failures.held(connection, identity) else step
    typer.echo(f"{payment}: {_GIVEN_UP[step]}")


@app.command("reversed")
def confirm_reversed(
    config: Config,
    number: Number,
    key: Key,
    payment: Payment,
    reason: Reason,
    second: Second = None,
    second_key: SecondKey = None,
    db: Database = None,
) -> None:
    """Take a payment for reversed whose reversal was refused, since the acquirer says that it is: a repeat that is refused may follow upon one that
    was carried out. Ask the acquirer first. One of which two officers have said that it stands takes two.
    """
    from server.office import rulings

    officers, identity = _officers(number, key, second, second_key), centre.identity(payment)
    with centre.transaction(config, db) as (connection, office):
        _signed(connection, office, identity, rulings.REVERSED, reason, officers, config)
    typer.echo(f"{payment}: reversed; the books have the opposite entries, its terminal hears of a void's end")
