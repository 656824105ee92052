"""`tasdid image build`: the device image, a ROMFS of bytecode and some machine code."""

import json
from pathlib import Path

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def image() -> None:
    """Build the device image."""


@app.command()
def build(
    out: Path = typer.Option(Path("build/app.img"), "--out", "-o", help="The file to write."),
    arch: str = typer.Option(
        "x86",
        help="The processor that functions of machine code are for, as mpy-cross names it; x86 runs here, none is bytecode only.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print a JSON object instead of a sentence."),
) -> None:
    """Compile protocol, drivers and terminal with mpy-cross and pack them into a ROMFS image."""
    from tools.image import build_image

    report = build_image(out, arch=arch)
    if as_json:
        print(
            json.dumps({"path": str(report.path), "size": report.size, "files": report.files, "sha256": report.sha256})
        )
    else:
        print(f"{report.path}: {report.size} bytes, {report.files} files, SHA-256 {report.sha256}")
