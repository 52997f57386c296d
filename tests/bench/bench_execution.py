"""What running an AB costs beyond its recipe, as a ratio to a bare container of the same image.

Run ``python tests/bench/bench_execution.py [single [packed]]``. The recipe is a shell script that copies a
product and ends. An AB is staged, run in its hardened container, judged, published and recorded; the bare
container only runs. Both take turns, so that whatever else the machine does hits both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import yaml
from sqlalchemy import create_engine, text
from typer import echo

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders_execution import RELEASE
from phoenix.chain.execute import run_ab
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.database import start_embedded, stop_embedded
from phoenix.store.database import Database
from pretended_recipe import build_pretended_recipe, slow_abs

SINGLE, PACKED = 100, 500
SLOTS = 2


def configured(folder: Path) -> Configuration:
    """The project's configuration with the pretended recipe."""
    image = build_pretended_recipe(folder)
    subprocess.run(["cp", "-r", str(PROJECT / "include" / "config"), str(folder / "config")], check=True)
    file = folder / "config" / "instruments" / "uves.yaml"
    content = yaml.safe_load(file.read_text())
    content["pipeline"]["image"] = image
    file.write_text(yaml.safe_dump(content))
    return Configuration(folder / "config", folder / "var")


def bare(folder: Path, image: str) -> list[str]:
    """The command of a container that runs the same recipe and nothing else."""
    output = folder / "bare"
    output.mkdir(exist_ok=True)
    output.chmod(0o777)
    mount = f"type=bind,source={output},target=/job/output"
    options = ["--rm", "--network=none", "--user=1000:1000", "--workdir=/job/output", f"--mount={mount}"]
    return ["docker", "run", *options, "--entrypoint=esorex", image, "uves_cal_mbias", "--steps=0", "x.sof"]


def seconds(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def main() -> None:
    single, packed = (*map(int, sys.argv[1:3]), *(SINGLE, PACKED)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = start_embedded(folder / "pg", durable=False)
        url = f"postgresql+psycopg://postgres@/{{name}}?host={server.socket_folder}"
        with create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT").connect() as admin:
            admin.execute(text("CREATE DATABASE bench"))
        database = Database(url.format(name="bench"))
        database.migrate()
        try:
            measure(folder, database, single, packed)
        finally:
            database.close()
            stop_embedded(folder / "pg")


def measure(folder: Path, database: Database, single: int, packed: int) -> None:
    configuration = configured(folder)
    names = [ab.name for ab in slow_abs(database, configuration, single + packed + 1, steps=0)]
    command = bare(folder, configuration.instrument("UVES").pipeline.image)

    def run(ab: str) -> None:
        attempt = run_ab(database, configuration, RELEASE, ab)
        if not attempt.outcome.succeeded:
            raise SystemExit(f"{ab}: {attempt.findings}")

    def run_bare() -> None:
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    run(names.pop())
    run_bare()
    ours, theirs = [], []
    for _ in range(single):
        theirs.append(seconds(run_bare))
        ours.append(seconds(lambda: run(names.pop())))
    echo(
        f"{single} ABs one by one, median: {median(ours):.3f} s an AB, {median(theirs):.3f} s bare,"
        f" ratio {median(ours) / median(theirs):.2f}"
    )

    def run_packed() -> None:
        with ThreadPoolExecutor(SLOTS) as pool:
            list(pool.map(run, [names.pop() for _ in range(packed)]))

    def run_xargs() -> None:
        lines = "\n".join(map(str, range(packed)))
        words = ["xargs", "-P", str(SLOTS), "-I{}", *command]
        subprocess.run(words, input=lines, text=True, check=True, stdout=subprocess.DEVNULL)

    theirs_s, ours_s = seconds(run_xargs), seconds(run_packed)
    echo(
        f"{packed} ABs in {SLOTS} lots: {ours_s:.1f} s, xargs -P {SLOTS} of bare containers {theirs_s:.1f} s,"
        f" ratio {ours_s / theirs_s:.2f} (load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    main()
