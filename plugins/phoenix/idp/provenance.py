"""What the standard has no keyword for: how the product was made, precisely enough to make it again.

Keywords of eight characters, as the standard prefers for additions (ESO-044286 issue 8, 5.13):

======================  =========================================================
PHXREL, PHXAB           release and AB
PHXLEVEL                worst calibration level of the masters
PHXRULES                version of the association rules
PHXRECIP                recipe
PHXPARn                 parameters set, ``name=value``; ESO PRO REC1 PARAMn is the recipe's record of all
PHXMCn, PHXMTn          calibration n: ``folder/file`` (the folder of a master is its AB), PRO.CATG
PHXMLn, PHXMDn          calibration n: level, and its time minus the observation's in days
PHXPGIn, PHXPGHn        PGI ledger, in order: name and version; hash of its configuration
PHXIMAGE                digest of the pipeline image
PHXCODE                 version of this project
======================  =========================================================
"""

from __future__ import annotations

from pathlib import PurePath

from phoenix.idp.card import MAX_STRING, commentary, format_card
from phoenix.idp.job import Provenance
from phoenix.model.ab import AssociationBlock


def provenance_cards(ab: AssociationBlock, provenance: Provenance) -> list[str]:
    """Return the cards that tell how the products of an AB were made."""
    cards = [
        commentary(
            "COMMENT", " PHXMCn, PHXMTn, PHXMLn, PHXMDn: calibration file, category, level, time difference."
        ),
        format_card("PHXREL", ab.release, "release"),
        format_card("PHXAB", ab.name, "association block"),
        format_card("PHXLEVEL", ab.level, "worst calibration level, 0 is the plan"),
        format_card("PHXRULES", ab.rules_version, "version of the association rules"),
        format_card("PHXRECIP", ab.recipe, "recipe"),
    ]
    for number, (name, value) in enumerate(ab.parameters, start=1):
        cards.append(format_card(f"PHXPAR{number}", f"{name}={value}", "parameter set"))
    files = dict(provenance.calibrations)
    for number, mcalib in enumerate(ab.mcalibs, start=1):
        cards += [
            format_card(f"PHXMC{number}", _short(files.get(mcalib.tag, mcalib.source)), "calibration"),
            format_card(f"PHXMT{number}", mcalib.tag),
            format_card(f"PHXML{number}", mcalib.level, "calibration level"),
            format_card(f"PHXMD{number}", round(mcalib.dt_days, 6), "[d] calibration minus observation"),
        ]
    for number, pgi in enumerate(ab.pgis, start=1):
        cards.append(
            format_card(f"PHXPGI{number}", f"{pgi.name} {pgi.version}", "plug-in that edited the AB")
        )
        cards.append(format_card(f"PHXPGH{number}", pgi.config_sha256))
    digest = provenance.image_digest.removeprefix("sha256:")
    cards.append(format_card("PHXIMAGE", digest))
    cards.append(format_card("PHXCODE", provenance.code_version, "version of the production software"))
    return cards


def _short(source: str) -> str:
    """Folder and file name: a recipe names its masters the same every night, the folder tells them apart."""
    parts = PurePath(source).parts
    both = "/".join(parts[-2:])
    return both if len(both) <= MAX_STRING else parts[-1]
