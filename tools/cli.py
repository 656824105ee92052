"""The command `tasdid`: one front for technicians and developers.

Sub-commands live in `tools/commands/<name>.py`, one module each, imported only when called, so that `tasdid --help` stays fast.
A module offers `run(...)`, a function whose parameters Typer reads; the table below gives each its line of help.

Exit codes: 0 it worked; 1 a check did not hold; 2 bad usage or input; 3 the machine lacks something (`make doctor` says what);
4 an internal error; 5 only the centre can say (`journal verify`). An error says its code, what went wrong and what to do, on standard error.
"""

import importlib
import importlib.util
import os
import sys
from typing import Any

OK, CHECK_FAILED, BAD_INPUT, MISSING, INTERNAL = 0, 1, 2, 3, 4

COMMANDS = {
    "up": "start the simulator and the server, print the page's address",
    "demo": "one patrol with four drivers, from log-in to settlement, in the terminal",
    "emv": "pay with a card on a reader, replay a recording, explain a decision",
    "receipt": "verify a receipt's code",
    "licence": "read a driving licence, or judge files read before",
    "params": "make, sign and check parameter sets",
    "journal": "export and verify a terminal's journal",
    "pictures": "draw the pictures of README and docs: page, screens, a receipt",
    "server": "the central server alone, its certificates, new epochs and refunds under four eyes",
    "simulate": "the whole system by seed, with faults",
    "bench": "measure and print the figures of docs/",
    "image": "build the device image",
    "doctor": "what is here, what is missing, what that skips",
}


def main(arguments: "list[str] | None" = None) -> None:
    """Entry point of the console script: runs one sub-command and exits with a documented code."""
    words = sys.argv[1:] if arguments is None else arguments
    sys.exit(_guarded(words))


def _guarded(words: list[str]) -> int:
    """Run, turning every coded error into its sentence and exit code."""
    from protocol.errors import TasdidError
    from tools.house.errors import HouseError, MissingPart

    try:
        return _run(words)
    except MissingPart as error:
        return _say(str(error), MISSING)
    except HouseError as error:
        return _say(str(error), BAD_INPUT)
    except TasdidError as error:
        hint = f" — {error.hint}" if error.hint else ""
        return _say(f"{error.code} {error.message}{hint}", BAD_INPUT)
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001  the outermost frame: it is told, with its trace on request
        if os.environ.get("TASDID_TRACE") == "1":
            raise
        return _say(
            f"GEN-001 internal error ({type(error).__name__}) — repeat with TASDID_TRACE=1 and report it", INTERNAL
        )


def _run(words: list[str]) -> int:
    if words and not words[0].startswith("-") and words[0] not in available():
        known = ", ".join(available())
        return _say(f"GEN-002 there is no sub-command {words[0]!r} — one of: {known}", BAD_INPUT)
    import typer

    app = _single(words[0]) if words and words[0] in COMMANDS else _front()
    typer.main.get_command(app)(args=words, prog_name="tasdid")  # ends in SystemExit with the sub-command's code
    return OK


def available() -> list[str]:
    """The sub-commands whose module is there."""
    return [name for name in COMMANDS if importlib.util.find_spec(f"tools.commands.{name}") is not None]


def _single(name: str) -> Any:
    """An app with the one sub-command that is called: the others are not imported."""
    module = importlib.import_module(f"tools.commands.{name}")
    app = _app()
    sub = getattr(module, "app", None)
    if sub is not None:
        app.add_typer(sub, name=name, help=COMMANDS[name])
    else:
        app.command(name, help=module.run.__doc__ or COMMANDS[name])(module.run)
    return app


def _front() -> Any:
    """An app that knows only the names and help lines, for `tasdid --help`."""
    app = _app()
    for name in available():
        app.command(name, help=COMMANDS[name])(_nothing)
    return app


def _app() -> Any:
    import typer

    app = typer.Typer(
        help="Tasdid: payment terminal for roadside fines. Exit codes: 0 ok, 1 a check failed, 2 bad usage or input, "
        "3 something is missing here, 4 internal error, 5 only the centre can say (journal verify).",
        no_args_is_help=True,
        invoke_without_command=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def options(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
        if version:
            from importlib.metadata import version as version_of

            print(version_of("tasdid"))
            raise typer.Exit(OK)

    return app


def _nothing() -> None:
    """Stands for a sub-command in the help page."""


def _say(sentence: str, code: int) -> int:
    print(f"tasdid: {sentence}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
