"""UVES nights as frame catalogues know them: Frame objects, no files."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from phoenix.config.loader import PROJECT, Configuration
from phoenix.config.rules import Rules
from phoenix.headers.conditions import first_failure, lookup
from phoenix.model.frame import Frame, FrameKind, Value

MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)


@dataclass(frozen=True)
class Setting:
    """An optical setting of one arm."""

    chips: int
    wlen_nm: float
    binning: int = 2
    slit_arcsec: float = 1.0

    @property
    def arm(self) -> str:
        return "BLUE" if self.chips == 1 else "RED"

    def keywords(self) -> dict[str, Value]:
        grating, slit = (1, 2) if self.chips == 1 else (2, 3)
        return {
            "DET.CHIPS": self.chips,
            "DET.WIN1.BINX": self.binning,
            "DET.WIN1.BINY": self.binning,
            "DET.READ.SPEED": f"50kHz,{self.binning}x{self.binning},high",
            "INS.MODE": self.arm,
            "INS.PATH": self.arm,
            "INS.SLIT1.NAME": "FREE",
            f"INS.GRAT{grating}.WLEN": self.wlen_nm,
            f"INS.SLIT{slit}.WID": self.slit_arcsec,
        }


BLUE = Setting(1, 437.0)
RED = Setting(2, 580.0)


def project_configuration(root: Path | None = None) -> Configuration:
    """The configuration that comes with the project, whatever the environment says."""
    return Configuration(PROJECT / "include" / "config", root)


def rules() -> Rules:
    """The project's rules for UVES."""
    return project_configuration().rules("UVES")


def classified(frame: Frame, by: Rules) -> Frame:
    """Give a frame its class as the rules say."""
    for entry in by.classification:
        if (
            entry.kind is frame.kind
            and first_failure(entry.when, lambda k: lookup(frame.keywords, by.aliases, k)) is None
        ):
            return replace(frame, raw_class=entry.name, tags=entry.tags)
    return frame


def mjd_of(moment: datetime) -> float:
    """MJD of a moment, days."""
    return (moment - MJD_EPOCH) / timedelta(days=1)


@dataclass
class Nights:
    """Writes nights: each call adds what one template gives, in the order of time."""

    by: Rules = field(default_factory=rules)
    frames: list[Frame] = field(default_factory=list)
    clock: datetime = datetime(2019, 3, 4, 20, 0, tzinfo=UTC)
    block: int = 1000

    def at(self, day: str, clock: str) -> Nights:
        """Go to a moment, UT."""
        self.clock = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC)
        return self

    def template(
        self,
        catg: str,
        dpr_type: str,
        setting: Setting,
        count: int = 1,
        planned: int | None = None,
        exptime_s: float = 10.0,
        **changes: Value | None,
    ) -> list[Frame]:
        """Take `count` frames of a template; changes are keywords, __ for the dot, None takes one away."""
        self.block += 1
        start = self.clock.strftime("%Y-%m-%dT%H:%M:%S")
        made = []
        for number in range(1, count + 1):
            self.clock += timedelta(milliseconds=4321)
            stamp = self.clock.isoformat(timespec="milliseconds").removesuffix("+00:00")
            keywords: dict[str, Value] = {
                "INSTRUME": "UVES",
                "DPR.CATG": catg,
                "DPR.TYPE": dpr_type,
                "DPR.TECH": "ECHELLE",
                "OBS.ID": self.block,
                "OBS.PROG.ID": "60.A-9999(S)",
                "TPL.START": start,
                "TPL.ID": f"UVES_{catg}_{dpr_type}",
                "TPL.NEXP": count if planned is None else planned,
                "TPL.EXPNO": number,
                **setting.keywords(),
            }
            for name, value in changes.items():
                keywords.pop(name.replace("__", "."), None)
                if value is not None:
                    keywords[name.replace("__", ".")] = value
            name = f"UVES.{stamp}.fits"
            frame = Frame(
                f"/data/raw/{name}", name, FrameKind.RAW, "UVES", mjd_of(self.clock), exptime_s, keywords
            )
            made.append(classified(frame, self.by))
            self.clock += timedelta(seconds=exptime_s + 45)
        self.frames += made
        return made

    def bias(self, setting: Setting = BLUE, count: int = 5) -> list[Frame]:
        return self.template("CALIB", "BIAS", setting, count, exptime_s=0.0)

    def science(
        self, setting: Setting = BLUE, count: int = 1, planned: int | None = None, **changes: Value | None
    ) -> list[Frame]:
        return self.template("SCIENCE", "OBJECT,POINT", setting, count, planned, 600.0, **changes)

    def standard(self, setting: Setting = BLUE) -> list[Frame]:
        return self.template("CALIB", "STD", setting, exptime_s=120.0)

    def morning(self, setting: Setting = BLUE, flats: int = 5) -> list[Frame]:
        """Format check, order flat, flats and arc of a setting."""
        made = self.template("CALIB", "LAMP,FMTCHK", setting)
        made += self.template("CALIB", "LAMP,ORDERDEF", setting)
        made += self.template("CALIB", "LAMP,FLAT", setting, flats) if flats else []
        return made + self.template("CALIB", "LAMP,WAVE", setting, exptime_s=30.0)

    def night(
        self, day: str, settings: Iterable[Setting] = (BLUE,), flats: int = 5, science: int = 1
    ) -> None:
        """A whole plausible night."""
        evening = datetime.fromisoformat(day).replace(tzinfo=UTC)
        morning = (evening + timedelta(days=1)).date().isoformat()
        self.at(day, "20:00:00")
        for setting in settings:
            self.bias(setting)
        self.at(morning, "01:00:00")
        for setting in settings:
            self.science(setting, science)
            self.standard(setting)
        self.at(morning, "10:00:00")
        for setting in settings:
            self.morning(setting, flats)


def table(catg: str, valid_from_mjd: float = 57023.0, **keywords: Value) -> Frame:
    """A static table."""
    name = f"{catg}_{len(keywords)}_{'_'.join(str(v) for v in keywords.values())}.fits"
    content = {"PRO.CATG": catg, **{key.replace("__", "."): value for key, value in keywords.items()}}
    return Frame(
        f"/data/static/{name}", name, FrameKind.STATIC, "UVES", valid_from_mjd, 0.0, content, raw_class=catg
    )


def tables(*settings: Setting) -> list[Frame]:
    """The static tables of some settings."""
    made = [table(catg) for catg in ("EXTCOEFF_TABLE", "FLUX_STD_TABLE", "RESP_FIT_POINTS_CATALOG")]
    for setting in settings:
        own = {
            "INS__GRAT1__WLEN" if setting.chips == 1 else "INS__GRAT2__WLEN": setting.wlen_nm,
            "DET__WIN1__BINX": setting.binning,
        }
        made += [
            table("LINE_REFER_TABLE", PRO__TASK="FORMAT_CHECK", **own),
            table("LINE_REFER_TABLE", PRO__TASK="WAVELENGTH", **own),
            table("LINE_INTMON_TABLE", PRO__TASK="WAVELENGTH", **own),
        ]
    return made


def master(
    catg: str, mjd: float, setting: Setting, folder: str = "/data/masters/a", **keywords: Value
) -> Frame:
    """A real master calibration."""
    name = f"{catg}_{mjd:.5f}.fits"
    content = {
        "PRO.CATG": catg,
        **setting.keywords(),
        **{k.replace("__", "."): v for k, v in keywords.items()},
    }
    return Frame(f"{folder}/{name}", name, FrameKind.MASTER, "UVES", mjd, 0.0, content, raw_class="MASTER")
