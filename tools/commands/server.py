"""`tasdid server`: the central server alone, its certificates, and the back office's decisions under four eyes.

    tasdid server certificates var/tls                       the CA that terminals pin, and the server's certificate
    tasdid server run --config server.toml --tls var/tls/server.pem --port 8080 --tls-port 8443
    tasdid server backup --config server.toml FILE           the database as it is now (SQLite); see docs/restore.md
    tasdid server officer office.json 2001 2001.pem          a back-office officer's key; the file named `office` in the configuration
    tasdid server propose --config server.toml --officer 2001 --key 2001.pem TSD-000001 --reason "storage lost"
    tasdid server approve --config server.toml --officer 2002 --key 2002.pem TSD-000001 --proposal 1
    tasdid server propose … TSD-000001 --new-key --reason "secure element exchanged"    with the key that the list of devices has now
    tasdid server epochs --config server.toml --json
    tasdid server device block|unblock|approve|list          a terminal that was stolen is refused (`tools.office.device`)
    tasdid server refund propose|approve|list                an approved payment is given back (`tools.office.refund`)
    tasdid server suspense propose|approve|list              what became of money in suspense (`tools.office.suspense`)
    tasdid server fork propose|approve|list                  a payment that a fork holds stands, or is given back (`tools.office.fork`)
    tasdid server failed list|again|give-up|reversed|rulings what the acquirer did not judge, and who decided (`tools.office.failed`)

    tasdid server recompute --config server.toml             the whole ledger anew from the raw records, against what was posted

Exit codes: 0 it worked, or the server was stopped; 1 the ledger does not agree with its recomputation; 2 bad input, a configuration that does not
serve, or a decision that may not be.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tools.office import centre, device, failed, fork, refund, suspense
from tools.office.centre import Config, Database, Key, Number, Proposal

app = typer.Typer(
    no_args_is_help=True,
    help="Run the central server; decide blocked terminals, new epochs, refunds, forks and money in suspense under four eyes.",
)
app.add_typer(device.app, name="device")
app.add_typer(refund.app, name="refund")
app.add_typer(suspense.app, name="suspense")
app.add_typer(fork.app, name="fork")
app.add_typer(failed.app, name="failed")

Device = Annotated[str, typer.Argument(help="the terminal's id")]


@app.command("run")
def run(
    config: Config,
    db: Database = None,
    host: Annotated[str, typer.Option(help="address for terminals")] = "127.0.0.1",
    console_host: Annotated[
        str | None, typer.Option(help="address of the console's pages, which know no log-in  [default: the loopback]")
    ] = None,
    port: Annotated[
        int, typer.Option(help="console and, without TLS, terminals; 0 takes a free one", min=0, max=65535)
    ] = 8080,
    tls: Annotated[Path | None, typer.Option(help="key and certificate for terminals, wins over the file's")] = None,
    tls_port: Annotated[
        int, typer.Option(help="for terminals, with a certificate; 0 takes a free one", min=0, max=65535)
    ] = 8443,
    fronts: Annotated[
        int | None, typer.Option(help="processes that speak HTTP before the one that writes", min=0, max=64)
    ] = None,
    restored: Annotated[
        bool,
        typer.Option(
            "--restored",
            help="the database was restored from a backup; once, and where no terminal reaches it: block again which were blocked since",
        ),
    ] = False,
    new_keys: Annotated[
        bool, typer.Option("--new-keys", help="the keys were replaced: terminals must be provisioned anew; once")
    ] = False,
) -> None:
    """Serve in the foreground until Ctrl-C or SIGTERM."""
    from server.__main__ import run as serve

    words = ["--config", str(config), "--host", host, "--port", str(port), "--tls-port", str(tls_port)]
    for option, value in (("--db", db), ("--console-host", console_host), ("--tls", tls), ("--fronts", fronts)):
        words += [option, str(value)] if value is not None else []
    words += [word for word, said in (("--restored", restored), ("--new-keys", new_keys)) if said]
    serve(words)


@app.command("backup")
def backup(
    config: Config,
    target: Annotated[Path, typer.Argument(metavar="FILE", help="the backup, a file that is not there yet")],
    db: Database = None,
) -> None:
    """Copy the database (SQLite) as it is now, while the server goes on; the copy is checked."""
    from server import config as configuration
    from server.store import whole

    loaded = configuration.load(config, db)
    whole.back_up(loaded.db, target)
    also = [loaded.keys, configuration.devices_file(config), loaded.sets, loaded.office, loaded.certificate]
    named = ", ".join(str(path) for path in (config, *also) if path is not None)
    typer.echo(
        f"{target}: the database as it is now, checked. To a backup belong too: {named}, and ca.pem (docs/restore.md)"
    )


@app.command("certificates")
def make_certificates(
    folder: Annotated[Path, typer.Argument(help="where they are kept")],
    name: Annotated[str, typer.Option(help="the server's name, as terminals check it; as before")] = "",
    days: Annotated[int, typer.Option(help="how long the server's certificate is valid", min=1, max=3650)] = 397,
) -> None:
    """Make the terminals' CA and the server's certificate, as far as they are missing or nearly expired."""
    from server import certificates

    made = certificates.make(folder, name or None, days)
    typer.echo(
        f"{made}: the server's; {made.parent / 'ca.der'}: for terminals; keep {made.parent / 'ca.pem'} off the server"
    )


@app.command("officer")
def officer(
    office: Annotated[Path, typer.Argument(help="the back office's list of officers")],
    number: Annotated[int, typer.Argument(help="the officer's number", min=1, max=centre.MOST)],
    key: Annotated[Path, typer.Argument(help="file of the new private key: the officer's alone")],
) -> None:
    """Make a back-office officer's key and enter the public one."""
    from server.office import signing

    signing.enrol(office, number, key)
    typer.echo(f"officer {number} is entered in {office}; the key is in {key}")


@app.command("propose")
def propose(
    config: Config,
    number: Number,
    key: Key,
    device: Device,
    reason: Annotated[str, typer.Option(help="why the terminal needs a new epoch")],
    db: Database = None,
    new_key: Annotated[
        bool,
        typer.Option("--new-key", help="its secure element was exchanged: the key that the list of devices has now"),
    ] = False,
) -> None:
    """Propose a new epoch for a terminal that cannot go on; another officer has to approve it."""
    from server.office import epochs, signing

    listed = centre.listed_key(config, device) if new_key else None
    with centre.transaction(config, db) as (connection, office):
        payload = epochs.draft(connection, device, reason, centre.now(), listed)
        signed = signing.decide(signing.private_key(key), number, epochs.PROPOSAL, payload)
        before = epochs.listed(connection)
        found = epochs.propose(connection, office, signed, centre.now())
        overtaken = centre.withdrawn(before, epochs.listed(connection))
    typer.echo(
        f"proposal {found}: epoch {payload[2]} of {device} after record {payload[3]}{_key(payload)};"
        f" another officer approves it: --proposal {found}{overtaken}"
    )


@app.command("approve")
def approve(config: Config, number: Number, key: Key, device: Device, proposal: Proposal, db: Database = None) -> None:
    """Approve what another officer proposed for a terminal; a new key only if the list of devices of this configuration has it too."""
    from server.office import epochs, signing

    with centre.transaction(config, db) as (connection, office):
        payload = epochs.proposed(connection, device, proposal)
        key_brought = payload.get(epochs.NEW_KEY)
        if key_brought is not None:
            typer.echo(f"proposal {proposal}: {device}{_key(payload)}")
            _must_be_listed(config, device, key_brought)
        signed = signing.decide(signing.private_key(key), number, epochs.APPROVAL, payload)
        epochs.approve(connection, office, signed, centre.now())
    typer.echo(
        f"proposal {proposal}: epoch {payload[2]} of {device} after record {payload[3]}{_key(payload)} is approved ({payload[10]})"
    )


def _key(payload: dict[int, Any]) -> str:
    """What is said of the new key that an epoch brings: its digest, which the officers compare."""
    from server.office import epochs

    key = payload.get(epochs.NEW_KEY)
    return "" if key is None else f" with a new key (SHA-256 {epochs.digest(key)})"


def _must_be_listed(config: Path, device: str, key: bytes) -> None:
    """ParameterError PRM-043 unless the approver's own list of devices has this key: the proposer's may be another list."""
    from protocol.errors import ParameterError
    from server.office import epochs

    listed = centre.listed_key(config, device)
    if listed != key:
        hint = "do not approve; compare both with the secure element as it was provisioned, put the list right or propose again"
        detail = f"proposed {epochs.digest(key)}, listed {epochs.digest(listed)}"
        raise ParameterError("the list of devices has another key than the proposal", "PRM-043", hint, detail)


@app.command("epochs")
def epochs_listed(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """List proposals of new epochs, newest first."""
    from server.office import epochs

    with centre.reading(config, db) as connection:
        found = centre.standing(
            epochs.listed(connection), ("proposed", "approved")
        )  # the terminal has not asked in time
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    if not found:
        typer.echo("no new epoch has been proposed")
    for row in found:
        brings = f" with a new key (SHA-256 {row['new_key_digest']})" if row["new_key"] else ""
        typer.echo(
            f"proposal {row['number']}: {row['device']} epoch {row['epoch']} after record {row['seq']}{brings}: {centre.decided(row)}"
        )


@app.command("recompute")
def recompute(
    config: Config, db: Database = None, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False
) -> None:
    """Compute the whole ledger anew from the raw records and compare it with what was posted; the server may go on meanwhile."""
    from server.ledger import recompute as ledger

    with centre.reading(config, db) as connection:
        found = ledger.differences(connection)
    if as_json:
        typer.echo(json.dumps({"agrees": not found, "differences": found}, ensure_ascii=False))
    else:
        for sentence in found:
            typer.echo(sentence)
        typer.echo(f"{len(found)} differences" if found else "the ledger agrees with its recomputation")
    if found:
        raise typer.Exit(1)
