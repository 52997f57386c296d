"""Bring PHOENIX up and down on one machine; ``make`` calls this, and so may you."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import closing
from typing import Annotated

import typer

from phoenix.deployment import components, engine, images
from phoenix.deployment.doctor import Status, as_json, as_text, examine
from phoenix.deployment.installation import Installation
from phoenix.deployment.packages import install_packages, missing_programs
from phoenix.errors import PhoenixError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False, help=__doc__)


def _teller() -> Callable[[str], None]:
    """Return a function that prints a line with the time since the start."""
    started = time.monotonic()

    def tell(line: str) -> None:
        mark = typer.style("==>", bold=True)
        typer.echo(f"{mark} {time.monotonic() - started:5.1f} s  {line}", err=True)

    return tell


@app.command("engine")
def engine_command() -> None:
    """See that a Docker engine answers; install and start one where that is allowed."""
    with closing(engine.ensure_engine(Installation.here(), _teller())) as client:
        typer.echo(f"Docker engine {client.version()['Version']}")


@app.command("images")
def images_command(
    names: Annotated[list[str] | None, typer.Argument(help="e.g. uves; all if none is named")] = None,
) -> None:
    """Build the images that are missing or out of date, and list them with their versions."""
    installation, tell = Installation.here(), _teller()
    with closing(engine.ensure_engine(installation, tell)) as client:
        typer.echo("\n".join(images.ensure_images(client, installation, tell, names or ())))


@app.command()
def tools() -> None:
    """See that the programs we call are there; install them where that is allowed."""
    installation, tell = Installation.here(), _teller()
    if packages := missing_programs():
        tell(f"installing {', '.join(packages)}")
        install_packages(packages, installation.log / "apt.log")


@app.command()
def up() -> None:
    """Start database and Airflow, wait until all is healthy, and say where to log in."""
    running = components.up(Installation.here(), _teller())
    login = running.login
    typer.echo(f"Airflow   {login.url}")
    typer.echo(f"login     {login.username} / {login.password}   (kept in {login.password_file})")
    typer.echo("stop      make down")


@app.command()
def down() -> None:
    """Stop every process started here, and nothing else."""
    stopped = components.down(Installation.here(), _teller())
    typer.echo(f"stopped: {', '.join(stopped) or 'nothing was running'}")


@app.command()
def doctor(
    format_: Annotated[str, typer.Option("--format", help="text or json")] = "text",
) -> None:
    """Say what is wrong with this installation, and the command that mends it."""
    findings = examine(Installation.here())
    typer.echo(as_json(findings) if format_ == "json" else as_text(findings))
    if any(finding.status is Status.FAIL for finding in findings):
        raise typer.Exit(1)


def run() -> None:
    """Run the command line; exit codes as everywhere: 0 clean, 1 findings, 2 usage, 3 infrastructure."""
    try:
        app()
    except PhoenixError as error:
        typer.secho(str(error), fg=typer.colors.RED, err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
