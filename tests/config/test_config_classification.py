"""Headers as the instruments write them get the class their recipe wants as a tag."""

from __future__ import annotations

import pytest

from builders_instruments import KMOS, MEDUSA, MUSE, Keywords, hawki, xshooter
from builders_uves import project_configuration
from phoenix.association.engine import associate
from phoenix.headers.classify import classify
from phoenix.model.frame import Frame, FrameKind

UVB, VIS, NIR = xshooter("UVB"), xshooter("VIS"), xshooter("NIR")
PINHOLE, PINHOLES, SLIT = "ECHELLE,PINHOLE", "ECHELLE,MULTI-PINHOLE", "ECHELLE,SLIT"

RAW: list[tuple[str, str, str, str, Keywords, str]] = [
    ("XSHOOTER", "CALIB", "BIAS", "IMAGE", UVB, "BIAS_UVB"),
    ("XSHOOTER", "CALIB", "BIAS", "IMAGE", VIS, "BIAS_VIS"),
    ("XSHOOTER", "CALIB", "DARK", "IMAGE", NIR, "DARK_NIR"),
    ("XSHOOTER", "CALIB", "LAMP,FMTCHK", PINHOLE, UVB, "FMTCHK_UVB"),
    ("XSHOOTER", "CALIB", "LAMP,FMTCHK", PINHOLE, VIS, "FMTCHK_VIS"),
    ("XSHOOTER", "CALIB", "LAMP,FMTCHK", PINHOLE, NIR, "FMTCHK_NIR_ON"),
    ("XSHOOTER", "CALIB", "LAMP,FMTCHK", "IMAGE", NIR, "FMTCHK_NIR_OFF"),
    ("XSHOOTER", "CALIB", "LAMP,DORDERDEF", PINHOLE, UVB, "ORDERDEF_D2_UVB"),
    ("XSHOOTER", "CALIB", "LAMP,QORDERDEF", PINHOLE, UVB, "ORDERDEF_QTH_UVB"),
    ("XSHOOTER", "CALIB", "LAMP,ORDERDEF", PINHOLE, VIS, "ORDERDEF_VIS"),
    ("XSHOOTER", "CALIB", "LAMP,ORDERDEF", "IMAGE", NIR, "ORDERDEF_NIR_OFF"),
    ("XSHOOTER", "CALIB", "LAMP,DFLAT", SLIT, UVB, "FLAT_D2_SLIT_UVB"),
    ("XSHOOTER", "CALIB", "LAMP,QFLAT", SLIT, UVB, "FLAT_QTH_SLIT_UVB"),
    ("XSHOOTER", "CALIB", "LAMP,FLAT", SLIT, VIS, "FLAT_SLIT_VIS"),
    ("XSHOOTER", "CALIB", "LAMP,FLAT", SLIT, NIR, "FLAT_SLIT_NIR_ON"),
    ("XSHOOTER", "CALIB", "LAMP,FLAT", "IMAGE", NIR, "FLAT_SLIT_NIR_OFF"),
    ("XSHOOTER", "CALIB", "LAMP,WAVE", PINHOLES, VIS, "WAVE_VIS"),
    ("XSHOOTER", "CALIB", "LAMP,WAVE", PINHOLES, NIR, "WAVE_NIR_ON"),
    ("XSHOOTER", "SCIENCE", "OBJECT", "ECHELLE,SLIT,STARE", VIS, "OBJECT_SLIT_STARE_VIS"),
    ("XSHOOTER", "SCIENCE", "OBJECT", "ECHELLE,SLIT,NODDING", UVB, "OBJECT_SLIT_NOD_UVB"),
    ("XSHOOTER", "SCIENCE", "OBJECT", "ECHELLE,SLIT,OFFSET", NIR, "OBJECT_SLIT_OFFSET_NIR"),
    ("XSHOOTER", "SCIENCE", "SKY", "ECHELLE,SLIT,OFFSET", NIR, "SKY_SLIT_NIR"),
    ("XSHOOTER", "CALIB", "STD,TELLURIC", "ECHELLE,SLIT,NODDING", NIR, "STD_TELL_SLIT_NOD_NIR"),
    ("XSHOOTER", "CALIB", "STD,FLUX", "ECHELLE,SLIT,OFFSET", VIS, "STD_FLUX_SLIT_OFFSET_VIS"),
    ("XSHOOTER", "SCIENCE", "OBJECT", "ECHELLE,IFU,STARE", VIS, "OBJECT_IFU"),
    ("GIRAFFE", "CALIB", "BIAS", "IMAGE", MEDUSA, "BIAS"),
    ("GIRAFFE", "CALIB", "DARK", "IMAGE", MEDUSA, "DARK"),
    ("GIRAFFE", "CALIB", "LAMP,FLAT", "MOS", MEDUSA, "FIBER_FLAT"),
    ("GIRAFFE", "CALIB", "LAMP,FLAT", "IFU", MEDUSA, "FIBER_FLAT"),
    ("GIRAFFE", "CALIB", "LAMP,FLAT,NASMYTH", "MOS", MEDUSA, "NASMYTH_FLAT"),
    ("GIRAFFE", "CALIB", "LAMP,WAVE", "MOS", MEDUSA, "ARC_SPECTRUM"),
    ("GIRAFFE", "SCIENCE", "OBJECT", "MOS", MEDUSA, "SCIENCE"),
    ("GIRAFFE", "SCIENCE", "OBJECT,SIMLAMP", "MOS", MEDUSA, "SCIENCE"),
    ("HAWKI", "CALIB", "DARK", "IMAGE", hawki(2.0, 1), "DARK"),
    ("HAWKI", "CALIB", "FLAT", "IMAGE", hawki(2.0, 1, "Ks"), "FLAT_TWILIGHT"),
    ("HAWKI", "CALIB", "STD", "IMAGE", hawki(2.0, 1, "J"), "STD"),
    ("HAWKI", "SCIENCE", "OBJECT", "IMAGE", hawki(10.0, 6, "H"), "OBJECT"),
    ("HAWKI", "SCIENCE", "SKY", "IMAGE", hawki(10.0, 6, "H"), "SKY"),
    ("KMOS", "CALIB", "DARK", "IMAGE", KMOS, "DARK"),
    ("KMOS", "CALIB", "FLAT,OFF", "SPECTRUM", KMOS, "FLAT_OFF"),
    ("KMOS", "CALIB", "FLAT,LAMP", "SPECTRUM", KMOS, "FLAT_ON"),
    ("KMOS", "CALIB", "FLAT,SKY", "IFU", KMOS, "FLAT_SKY"),
    ("KMOS", "CALIB", "WAVE,OFF", "SPECTRUM", KMOS, "ARC_OFF"),
    ("KMOS", "CALIB", "WAVE,LAMP", "SPECTRUM", KMOS, "ARC_ON"),
    ("KMOS", "CALIB", "OBJECT,SKY,STD,FLUX", "IFU", KMOS, "STD"),
    ("KMOS", "SCIENCE", "OBJECT,SKY", "IFU", {**KMOS, "TPL.ID": "KMOS_spec_obs_nodtosky"}, "SCIENCE"),
    ("MUSE", "CALIB", "BIAS", "IFU", MUSE, "BIAS"),
    ("MUSE", "CALIB", "FLAT,LAMP", "IFU", MUSE, "FLAT"),
    ("MUSE", "CALIB", "FLAT,LAMP,ILLUM", "IFU", MUSE, "ILLUM"),
    ("MUSE", "CALIB", "FLAT,SKY", "IFU", MUSE, "SKYFLAT"),
    ("MUSE", "CALIB", "WAVE", "IFU", MUSE, "ARC"),
    ("MUSE", "CALIB", "WAVE,LSF", "IFU", MUSE, "ARC_LSF"),
    ("MUSE", "CALIB", "STD", "IFU", MUSE, "STD"),
    ("MUSE", "SCIENCE", "OBJECT", "IFU", MUSE, "OBJECT"),
    ("MUSE", "SCIENCE", "SKY", "IFU", MUSE, "SKY"),
    ("UVES", "CALIB", "LAMP,FLAT", "ECHELLE", {"DET.CHIPS": 2}, "FLAT_RED"),
    ("UVES", "SCIENCE", "OBJECT,POINT", "ECHELLE", {"DET.CHIPS": 1}, "SCI_POINT_BLUE"),
    ("UVES", "SCIENCE", "OBJECT,EXTENDED", "ECHELLE", {"DET.CHIPS": 1}, "SCI_EXTND_BLUE"),
]


def header(instrument: str, catg: str, dpr_type: str, tech: str, keywords: Keywords) -> Keywords:
    return {
        "INSTRUME": instrument,
        "DPR.CATG": catg,
        "DPR.TYPE": dpr_type,
        "DPR.TECH": tech,
        **keywords,
    }


@pytest.mark.parametrize(
    ("instrument", "catg", "dpr_type", "tech", "keywords", "expected"),
    RAW,
    ids=[f"{row[0]} {row[5]} {row[3]}" for row in RAW],
)
def test_raw_frames_get_their_class(
    instrument: str, catg: str, dpr_type: str, tech: str, keywords: Keywords, expected: str
) -> None:
    rules = project_configuration().rules(instrument)
    found = classify(header(instrument, catg, dpr_type, tech, keywords), rules)
    assert found is not None
    assert (found.kind, found.name) == (FrameKind.RAW, expected)


@pytest.mark.parametrize(
    ("instrument", "catg", "expected"),
    [
        ("XSHOOTER", "SPECTRAL_FORMAT_TAB_VIS", FrameKind.STATIC),
        ("XSHOOTER", "THEO_TAB_SING_UVB", FrameKind.STATIC),
        ("XSHOOTER", "RESP_FIT_POINTS_CAT_NIR", FrameKind.STATIC),
        ("XSHOOTER", "RESPONSE_MERGE1D_SLIT_NIR", FrameKind.STATIC),
        ("XSHOOTER", "MASTER_FLAT_SLIT_VIS", FrameKind.MASTER),
        ("XSHOOTER", "XSH_MOD_CFG_OPT_2D_VIS", FrameKind.MASTER),
        ("GIRAFFE", "SLIT_GEOMETRY_SETUP", FrameKind.STATIC),
        ("GIRAFFE", "FF_LOCCENTROID", FrameKind.MASTER),
        ("HAWKI", "PHOTCAL_TAB", FrameKind.STATIC),
        ("HAWKI", "MASTER_LOCAL_CATALOGUE_ASTROM", FrameKind.STATIC),
        ("HAWKI", "MASTER_READGAIN", FrameKind.MASTER),
        ("KMOS", "WAVE_BAND", FrameKind.STATIC),
        ("KMOS", "XCAL", FrameKind.MASTER),
        ("MUSE", "GEOMETRY_TABLE", FrameKind.STATIC),
        ("MUSE", "TRACE_TABLE", FrameKind.MASTER),
    ],
)
def test_calibrations_are_static_or_masters(instrument: str, catg: str, expected: FrameKind) -> None:
    found = classify({"INSTRUME": instrument, "PRO.CATG": catg}, project_configuration().rules(instrument))
    assert found is not None
    assert found.kind is expected


@pytest.mark.parametrize(
    ("instrument", "catg", "dpr_type", "tech"),
    [
        ("XSHOOTER", "ACQUISITION", "OBJECT", "IMAGE"),
        ("GIRAFFE", "CALIB", "BIAS,DETCHECK", "IMAGE"),
        ("HAWKI", "TECHNICAL", "FOCUS", "IMAGE"),
        ("KMOS", "ACQUISITION", "OBJECT", "IFU"),
        ("MUSE", "ACQUISITION", "OBJECT", "IMAGE"),
    ],
)
def test_frames_the_streams_do_not_use_get_no_class(
    instrument: str, catg: str, dpr_type: str, tech: str
) -> None:
    assert (
        classify(header(instrument, catg, dpr_type, tech, {}), project_configuration().rules(instrument))
        is None
    )


@pytest.mark.parametrize(
    ("instrument", "dpr_type", "tech", "keywords", "code"),
    [
        ("UVES", "OBJECT,EXTENDED", "ECHELLE", {"DET.CHIPS": 1}, "EXTENDED"),
        ("UVES", "OBJECT,POINT", "MOS", {"DET.CHIPS": 2}, "FIBRE_MODE"),
        ("XSHOOTER", "OBJECT", "ECHELLE,IFU,OFFSET", VIS, "IFU_MODE"),
        ("GIRAFFE", "OBJECT", "IFU", {**MEDUSA, "INS.SLIT.NAME": "IFU2"}, "IFU_MODE"),
        ("GIRAFFE", "OBJECT", "IFU", {**MEDUSA, "INS.SLIT.NAME": "Argus"}, "ARGUS_MODE"),
        ("GIRAFFE", "OBJECT", "IFU", MEDUSA, "IFU_MODE"),
    ],
)
def test_unsupported_modes_are_left_out_with_a_code(
    instrument: str, dpr_type: str, tech: str, keywords: Keywords, code: str
) -> None:
    configuration = project_configuration()
    rules = configuration.rules(instrument)
    found = classify(header(instrument, "SCIENCE", dpr_type, tech, keywords), rules)
    assert found is not None, "the frame would be an orphan"
    frame = Frame(
        "/data/raw/x.fits", "x.fits", FrameKind.RAW, instrument, 59278.1, 60.0,
        header(instrument, "SCIENCE", dpr_type, tech, keywords), raw_class=found.name,
    )  # fmt: skip
    data = configuration.instrument(instrument)
    result = associate([frame], rules, configuration.release(data.default_release), data, [frame.night])
    assert result.blocks == ()
    assert [(out.code, bool(out.reason)) for out in result.left_out] == [(code, True)]
