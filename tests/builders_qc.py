"""ABs with published products, for the QC of a batch: the products are files of a line each."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256

from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Attempt, Outcome
from phoenix.model.product import Product
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.attempts import AttemptRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database

RELEASE, KEY = "UVES_R3", "2019-03"
_MJD = 58546.0


def publish_abs(database: Database, configuration: Configuration, count: int) -> list[str]:
    """Put ABs of biases into a batch as if their recipes had just run, one a minute; return their names."""
    trees = AbTrees(configuration.folders)
    now = datetime.now(UTC)
    abs_ = [_ab(number) for number in range(count)]
    with database.transaction() as session:
        batch = BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
        repository, attempts = AbRepository(session, trees), AttemptRepository(session)
        for ab in abs_:
            repository.put(ab, batch.id)
            session.flush()
            number = attempts.begin(RELEASE, ab.name, "image", now)
            session.flush()
            folder = configuration.folders.products_of(ab)
            folder.mkdir(parents=True)
            path = folder / "master_bias_blue.fits"
            path.write_text(ab.name)
            digest = sha256(ab.name.encode()).hexdigest()
            product = Product(str(path), "MASTER_BIAS_BLUE", path.stat().st_size, digest)
            text_sha256 = trees.save(Tree.FINAL, ab)
            attempt = Attempt(number, Outcome.OK, now, now)
            attempts.publish(RELEASE, ab.name, attempt, folder, [product], text_sha256)
    return [ab.name for ab in abs_]


def _ab(number: int) -> AssociationBlock:
    hour, minute = divmod(number, 60)
    return AssociationBlock(
        name=f"UVES.2019-03-04T{hour:02d}:{minute:02d}:00.000_bias.ab",
        release=RELEASE,
        instrument="UVES",
        date="2019-03-03",
        task="bias",
        recipe="uves_cal_mbias",
        raw_type="BIAS_BLUE",
        dpr_catg="CALIB",
        batch_id=KEY,
        mjd_obs=_MJD + number / 86400,
        mjd_obs_mod=_MJD + number / 86400,
        raws=(),
        match_keys=(("chips", "BLUE"),),
    )
