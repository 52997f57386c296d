"""Each pipeline image knows the recipes and parameters the configuration names, and gives no privileges."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import docker
import pytest
from astropy.io import fits

from builders_execution import bias_ab, store_ab, write_fits
from phoenix.archive.gate import judge
from phoenix.chain.execute import run_ab
from phoenix.config.loader import PROJECT, Configuration
from phoenix.config.release import Ingestion
from phoenix.config.site import Engine
from phoenix.deployment.image_folders import ImageFolder, image_folders
from phoenix.deployment.images import LABEL_VERSION, ensure_images
from phoenix.deployment.installation import Installation
from phoenix.execution.command import checked_parameters, recipe_command
from phoenix.execution.container import ContainerJob
from phoenix.execution.docker_engine import DockerRunner, recipe_user
from phoenix.execution.pipeline import RecipeFacts, recipe_facts
from phoenix.execution.products import WrittenProduct, read_products
from phoenix.execution.staging import Input, stage
from phoenix.execution.usage import read_usage
from phoenix.execution.workfolder import WorkFolder
from phoenix.headers.reader import read_header
from phoenix.model.ab import RawFile
from phoenix.model.frame import Value
from phoenix.model.outcome import Outcome
from phoenix.model.product import IngestState
from phoenix.store.archive import Candidate
from phoenix.store.database import Database
from phoenix.store.tables import IdpRow
from smallest_frames import smallest_frames

pytestmark = pytest.mark.engine

CONFIGURATION = Configuration()
FOLDERS = {folder.repository: folder for folder in image_folders(Installation.here().project)}
#: What needs a kit nobody may pass on is tested with its stand-in.
STAND_INS = {"phoenix-kmos": "phoenix-kmos-stand-in"}


def recipes_of_rules() -> list[tuple[str, str, str]]:
    """Instrument, image and recipe, for every recipe the rules name."""
    named = []
    for name in CONFIGURATION.names("instruments"):
        instrument = CONFIGURATION.instrument(name)
        recipes = dict.fromkeys(task.recipe for task in CONFIGURATION.rules(name).tasks)
        for recipe in recipes:
            image = instrument.pipeline_of(recipe).image
            named.append((name, image, recipe))
    return named


def parameters_set(instrument: str, recipe: str) -> Iterator[dict[str, Value]]:
    """Every set of parameters the configuration gives a recipe: rules, instrument, PGIs of the releases."""
    yield dict(CONFIGURATION.instrument(instrument).recipes[recipe].parameters)
    for task in CONFIGURATION.rules(instrument).tasks:
        if task.recipe == recipe:
            yield dict(task.parameters)
    for release in map(CONFIGURATION.release, CONFIGURATION.names("releases")):
        if release.instrument == instrument:
            for pgi in release.pgis:
                if pgi.name == "set_parameters":
                    yield from (entry["parameters"] for entry in pgi.config if entry["recipe"] == recipe)


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    with closing(docker.from_env()) as client:
        ensure_images(client, Installation.here(), lambda _line: None)
        yield client


@pytest.fixture(scope="module")
def runner(engine: docker.DockerClient) -> Iterator[DockerRunner]:
    with DockerRunner(Engine(), "test") as runner:
        yield runner


def available(repository: str) -> str:
    """Return the image, or its stand-in if this machine cannot make it."""
    return STAND_INS.get(repository, repository) if FOLDERS[repository].problem else repository


def facts(runner: DockerRunner, repository: str, recipe: str, cache: Path) -> RecipeFacts:
    return recipe_facts(runner, runner.image_id(available(repository)), recipe, cache, lambda: False)


@pytest.mark.parametrize(("instrument", "image", "recipe"), recipes_of_rules())
def test_the_image_knows_recipe_and_parameters(
    engine: docker.DockerClient,
    runner: DockerRunner,
    tmp_path: Path,
    instrument: str,
    image: str,
    recipe: str,
) -> None:
    told = facts(runner, image, recipe, tmp_path)
    assert told.version == engine.images.get(available(image)).labels[LABEL_VERSION]
    for parameters in parameters_set(instrument, recipe):
        assert checked_parameters(recipe, parameters, told.parameters).keys() == parameters.keys()


@pytest.mark.parametrize("folder", FOLDERS.values(), ids=FOLDERS)
def test_an_image_gives_no_privileges(engine: docker.DockerClient, folder: ImageFolder) -> None:
    if folder.problem:
        assert folder.kit_pattern
        return

    def run(script: str, user: str | None = None) -> str:
        container = engine.containers.create(
            folder.tag, entrypoint=["sh", "-c", script], network_mode="none", user=user
        )
        try:
            container.start()
            container.wait()
            return container.logs(stderr=False).decode().strip()
        finally:
            container.remove(force=True)

    assert run("id -u") == "1000"
    assert run("find / -xdev -type f -perm /6000", user="root") == ""


def run_recipe(
    runner: DockerRunner,
    image: str,
    recipe: str,
    tag: str,
    frames: list[Path],
    folder: Path,
    **parameters: Value,
) -> tuple[list[WrittenProduct], WorkFolder]:
    """Run a recipe as an AB's would be, and return what it wrote."""
    image_id = runner.image_id(image)
    work = WorkFolder(folder / "01")
    work.create(recipe_user())
    sof = stage(
        [Input(path, tag, path.name, raw=True, mandatory=True) for path in frames], work, recipe_user()
    )
    known = recipe_facts(runner, image_id, recipe, folder / "facts", lambda: False).parameters
    lines: list[str] = []
    end = runner.run(
        ContainerJob(
            release="TEST",
            ab=f"{recipe}.ab",
            attempt=1,
            image=image_id,
            command=recipe_command(recipe, sof, checked_parameters(recipe, parameters, known)),
            input_folder=work.input,
            output_folder=work.output,
            memory_gb=1,
            cpus=1,
            timeout_s=60,
        ),
        lines.append,
        lambda: False,
    )
    assert end.exit_code == 0, lines
    return list(read_products(work.output).products), work


@pytest.mark.parametrize(
    ("instrument", "recipe", "tag", "product", "parameters"),
    [
        ("GIRAFFE", "gimasterbias", "BIAS", "MASTER_BIAS", {}),
        ("HAWKI", "hawki_dark_combine", "DARK", "MASTER_DARK", {}),
        ("MUSE", "muse_bias", "BIAS", "MASTER_BIAS", {"nifu": 10}),
        ("XSHOOTER", "xsh_mbias", "BIAS_VIS", "MASTER_BIAS_VIS", {}),
    ],
)
def test_the_image_runs_its_pipeline(
    engine: docker.DockerClient,
    runner: DockerRunner,
    tmp_path: Path,
    instrument: str,
    recipe: str,
    tag: str,
    product: str,
    parameters: dict[str, Value],
) -> None:
    pipeline = CONFIGURATION.instrument(instrument).pipeline
    frames = smallest_frames(instrument, tmp_path)
    products, _ = run_recipe(runner, pipeline.image, recipe, tag, frames, tmp_path, **parameters)
    made = {entry.pro_catg: entry for entry in products}
    assert product in made, made.keys()
    assert made[product].problem == ""
    version = engine.images.get(pipeline.image).labels[LABEL_VERSION]
    assert made[product].keywords["PRO.REC1.PIPE.ID"] == f"{pipeline.identity}{version}"


def test_our_own_recipes_run_in_their_image(
    engine: docker.DockerClient, runner: DockerRunner, tmp_path: Path
) -> None:
    frame = write_fits(tmp_path / "frame.fits", {"INSTRUME": "UVES"})
    parameters = {"wrong-sums": "fail"}
    (product,), work = run_recipe(
        runner, "phoenix-recipes", "phoenix_verify_inputs", "ANY", [frame], tmp_path, **parameters
    )
    assert (product.pro_catg, product.problem) == ("INPUT_REPORT", "")
    version = engine.images.get("phoenix-recipes").labels[LABEL_VERSION]
    assert product.keywords["PRO.REC1.PIPE.ID"] == f"phoenix/{version}"
    assert read_usage(work.output).memory_peak_mb


@pytest.fixture
def with_stand_in(tmp_path: Path) -> Configuration:
    """The project's configuration with the stand-in in place of the KMOS pipeline."""
    shutil.copytree(PROJECT / "include" / "config", tmp_path / "config")
    kmos = tmp_path / "config" / "instruments" / "kmos.yaml"
    text = kmos.read_text()
    assert "image: phoenix-kmos\n" in text
    kmos.write_text(text.replace("image: phoenix-kmos\n", "image: phoenix-kmos-stand-in\n"))
    return Configuration(tmp_path / "config", tmp_path / "var")


def test_a_stand_in_runs_as_a_recipe_does_and_the_archive_refuses_its_products(
    engine: docker.DockerClient, database: Database, with_stand_in: Configuration, tmp_path: Path
) -> None:
    raws = [
        write_fits(tmp_path / f"dark{i}.fits", {"DPR.CATG": "CALIB", "DPR.TYPE": "DARK", "INSTRUME": "KMOS"})
        for i in range(3)
    ]
    ab = replace(
        bias_ab([]),
        name="KMOS.2019-03-04T10:00:00.000_tpl.ab",
        release="KMOS_R",
        instrument="KMOS",
        task="dark",
        recipe="kmos_dark",
        raw_type="DARK",
        raws=tuple(RawFile(str(path), "DARK") for path in raws),
        expected=("MASTER_DARK", "BADPIXEL_DARK"),
        match_keys=(),
    )
    store_ab(database, with_stand_in, ab)
    lines: list[str] = []
    attempt = run_ab(database, with_stand_in, "KMOS_R", ab.name, lines.append)
    assert attempt.outcome is Outcome.OK, attempt.findings
    assert "STAND-IN" in lines[0]
    folder = with_stand_in.folders.products_of(ab)
    product = folder / "master_dark.fits"
    with fits.open(product, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == [
            f"DET.{number}.{what}" for number in (1, 2, 3) for what in ("DATA", "NOISE")
        ]
    assert str(read_header(product)["PRO.REC1.PIPE.ID"]).startswith("stand-in/")
    head = IdpRow(origfile=product.name, path=str(product), sha256="", findings=[])
    judgement = judge(Candidate((head,), ()), Ingestion())
    assert judgement.state is IngestState.REJECTED
    assert "stand-in" in judgement.reason
