"""The sub-commands of `tasdid`, one module each: `run(...)` for a single command, or `app` (a Typer) for a group."""
