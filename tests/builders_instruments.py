"""Nights of all instruments but UVES as frame catalogues know them: headers as the instruments write them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from builders_uves import mjd_of, project_configuration
from phoenix.association.engine import Associations, associate
from phoenix.headers.classify import classify
from phoenix.instruments import load
from phoenix.model.frame import Frame, FrameKind, Value

#: How ARCFILE names begin.
PREFIX = {"XSHOOTER": "XSHOO", "GIRAFFE": "GIRAF", "HAWKI": "HAWKI", "KMOS": "KMOS", "MUSE": "MUSE"}

Keywords = dict[str, Value]

GIRAFFE: Keywords = {
    "DET.CHIP1.ID": "Carreras",
    "DET.WIN1.BINX": 1,
    "DET.WIN1.BINY": 1,
    "DET.READ.CLOCK": "225kHz,1x1,low",
    "DET.READ.MODE": "normal",
    "DET.READ.SPEED": "slow",
}
MEDUSA: Keywords = {
    **GIRAFFE,
    "INS.MODE": "MED",
    "INS.SLIT.NAME": "Medusa1",
    "INS.EXP.MODE": "L479.7",
    "INS.GRAT.ID": "LR",
    "INS.GRAT.WLEN": 479.7,
}
MUSE: Keywords = {"INS.MODE": "WFM-NOAO-N", "DET.READ.CURNAME": "SCI1.0", "DET.BINX": 1, "DET.BINY": 1}
KMOS: Keywords = {"INS.GRAT1.ID": "HK", "INS.FILT1.ID": "HK"}


def hawki(dit: float, ndit: int, filter1: str = "OPEN") -> Keywords:
    """Keywords of a HAWK-I frame."""
    return {
        "DET.NCORRS.NAME": "Double",
        "DET.DIT": dit,
        "DET.NDIT": ndit,
        "INS.FILT1.NAME": filter1,
        "INS.FILT2.NAME": "OPEN",
    }


def xshooter(arm: str, slit: str = "1.0x11", dit: float = 10.0, read: str = "400k/1pt/hg") -> Keywords:
    """Keywords of an XSHOOTER frame; the detector of NIR has neither binning nor read-out clock."""
    wheel = {"UVB": 3, "VIS": 4, "NIR": 5}[arm]
    keywords: Keywords = {"SEQ.ARM": arm, f"INS.OPTI{wheel}.NAME": slit, "INS.MODE": "SLITSPEC"}
    if arm == "NIR":
        return {**keywords, "DET.DIT": dit}
    return {**keywords, "DET.WIN1.BINX": 1, "DET.WIN1.BINY": 1, "DET.READ.CLOCK": read}


@dataclass
class Night:
    """Writes the night of an instrument: each call adds what one template gives, in the order of time."""

    instrument: str
    release: str
    frames: list[Frame] = field(default_factory=list)
    clock: datetime = datetime(2021, 3, 4, 14, 0, tzinfo=UTC)
    block: int = 500

    def template(
        self,
        *exposures: tuple[str, str, str],
        keywords: Keywords,
        count: int = 1,
        exptime_s: float = 10.0,
        **more: Value,
    ) -> list[Frame]:
        """Take `count` exposures of each (CATG, TYPE, TECH) in one template of an OB of its own.

        In names of further keywords, __ stands for the dot.
        """
        self.block += 1
        start = self.clock.strftime("%Y-%m-%dT%H:%M:%S")
        made = []
        for catg, dpr_type, tech in [exposure for exposure in exposures for _ in range(count)]:
            self.clock += timedelta(milliseconds=4321)
            stamp = self.clock.isoformat(timespec="milliseconds").removesuffix("+00:00")
            name = f"{PREFIX[self.instrument]}.{stamp}.fits"
            header: Keywords = {
                "INSTRUME": self.instrument,
                "DPR.CATG": catg,
                "DPR.TYPE": dpr_type,
                "DPR.TECH": tech,
                "OBS.ID": self.block,
                "OBS.PROG.ID": "60.A-9999(S)",
                "OBS.START": start,
                "TPL.START": start,
                "TPL.ID": f"{self.instrument}_cal",
                "TPL.NEXP": len(exposures) * count,
                "TPL.EXPNO": len(made) + 1,
                **keywords,
                **{key.replace("__", "."): value for key, value in more.items()},
            }
            made.append(self._frame(name, header, FrameKind.RAW, mjd_of(self.clock), exptime_s))
            self.clock += timedelta(seconds=exptime_s + 30)
        self.frames += made
        return made

    def static(self, catg: str, **keywords: Value) -> None:
        """Put a static table into the catalogue."""
        header: Keywords = {"INSTRUME": self.instrument, "PRO.CATG": catg}
        header |= {key.replace("__", "."): value for key, value in keywords.items()}
        self.frames.append(
            self._frame(f"{catg}_{len(self.frames)}.fits", header, FrameKind.STATIC, 55000.0, 0.0)
        )

    def _frame(self, name: str, header: Keywords, kind: FrameKind, mjd: float, exptime_s: float) -> Frame:
        found = classify(header, project_configuration().rules(self.instrument))
        assert found is not None, header
        assert found.kind is kind, header
        return Frame(
            f"/data/{kind}/{name}", name, kind, self.instrument, mjd, exptime_s, header,
            raw_class=found.name, tags=found.tags,
        )  # fmt: skip

    def associated(self) -> Associations:
        """The ABs the engine makes of all nights with raw frames."""
        configuration = project_configuration()
        load(self.instrument, "smart")
        return associate(
            self.frames,
            configuration.rules(self.instrument),
            configuration.release(self.release),
            configuration.instrument(self.instrument),
            {frame.night for frame in self.frames if frame.kind is FrameKind.RAW},
        )
