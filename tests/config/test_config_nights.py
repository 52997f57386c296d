"""A night of headers per instrument becomes the ABs its rules promise."""

from __future__ import annotations

from collections import Counter

from builders_instruments import GIRAFFE, KMOS, MEDUSA, MUSE, Night, hawki, xshooter
from phoenix.association.cascade import levels, waits
from phoenix.association.engine import Associations
from phoenix.instruments.muse.smart_sky import sky_of
from phoenix.model.ab import AssociationBlock, Completeness, raws_of
from phoenix.model.frame import FrameKind

SLIT, PINHOLE, PINHOLES = "ECHELLE,SLIT", "ECHELLE,PINHOLE", "ECHELLE,MULTI-PINHOLE"


def counted(result: Associations) -> dict[str, int]:
    """Number of ABs of each task, after seeing that none has an error."""
    assert result.errors == ()
    return dict(Counter(block.ab.task for block in result.blocks))


def ab(result: Associations, task: str, number: int = 0) -> AssociationBlock:
    return [block.ab for block in result.blocks if block.ab.task == task][number]


def tags(block: AssociationBlock) -> list[str]:
    return [calibration.tag for calibration in block.mcalibs]


def whole(result: Associations) -> bool:
    """Whether every AB can be processed."""
    missing = [(block.ab.name, block.ab.missing, block.ab.exclusion_reason) for block in result.blocks]
    assert all(not lacks and not excluded for _, lacks, excluded in missing), missing
    return True


def giraffe() -> Night:
    night = Night("GIRAFFE", "GIRAF_STACK")
    night.template(("CALIB", "BIAS", "IMAGE"), keywords=GIRAFFE, count=5, exptime_s=0.0)
    for setup in ("L479.7", "H548.8"):
        here = {**MEDUSA, "INS.EXP.MODE": setup}
        night.template(("CALIB", "LAMP,FLAT", "MOS"), keywords=here, count=3)
        night.template(("CALIB", "LAMP,WAVE", "MOS"), keywords=here)
        night.static("SLIT_GEOMETRY_SETUP", INS__SLIT__NAME="Medusa1", INS__EXP__MODE=setup)
    night.static("GRATING_DATA", INS__GRAT__ID="LR")
    night.static("LINE_CATALOG")
    return night


def test_giraffe_setups_are_kept_apart_and_each_exposure_is_an_ab() -> None:
    night = giraffe()
    science = night.template(("SCIENCE", "OBJECT", "MOS"), keywords=MEDUSA, count=2, exptime_s=1800.0)
    result = night.associated()
    assert counted(result) == {"bias": 1, "flat": 2, "wavelength": 2, "science": 2, "stack": 1}
    assert whole(result)
    first = ab(result, "science")
    assert [raw.path for raw in first.raws] == [science[0].path]
    assert tags(first) == [
        "MASTER_BIAS", "FF_LOCCENTROID", "FF_LOCWIDTH", "FF_EXTSPECTRA", "FF_EXTERRORS",
        "DISPERSION_SOLUTION", "GRATING_DATA", "SLIT_GEOMETRY_SETUP",
    ]  # fmt: skip
    makers = {calibration.tag: calibration.source for calibration in first.mcalibs}
    assert makers["FF_EXTSPECTRA"] == ab(result, "flat", 0).name, "the flat of its own setup"
    assert makers["DISPERSION_SOLUTION"] == ab(result, "wavelength", 0).name
    assert ("generate-SDP-format", "true") in first.parameters
    assert "SCIENCE_RBNSPEC_IDP" in first.expected


def test_giraffe_stacks_exposures_of_an_ob_with_similar_exposure_times() -> None:
    night = giraffe()
    for exptime_s, setup in (
        (600.0, "L479.7"), (1800.0, "L479.7"), (700.0, "L479.7"), (2000.0, "L479.7"), (1800.0, "H548.8"),
    ):  # fmt: skip
        here = {**MEDUSA, "INS.EXP.MODE": setup, "OBS.ID": 900, "EXPTIME": exptime_s}
        night.template(("SCIENCE", "OBJECT", "MOS"), keywords=here, exptime_s=exptime_s)
    result = night.associated()
    assert counted(result)["stack"] == 2, "one exposure of the other setup is no stack"
    short, long = ab(result, "stack", 0), ab(result, "stack", 1)
    science = [block.ab for block in result.blocks if block.ab.task == "science"]
    assert short.input_abs == (science[0].name, science[2].name)
    assert long.input_abs == (science[1].name, science[3].name)
    assert {entry.tag for entry in long.inputs} == {"SCIENCE_RBNSPEC_IDP"}
    assert (long.raws, long.min_inputs, long.completeness) == ((), 2, Completeness.COMPLETE)
    assert long.name == science[1].name.replace(".ab", "_stk.ab")
    night.release = "GIRAF_R"
    assert "stack" not in counted(night.associated()), "a release of single exposures"


def test_giraffe_science_without_the_flat_of_its_setup_is_incomplete() -> None:
    night = giraffe()
    night.template(("SCIENCE", "OBJECT", "MOS"), keywords={**MEDUSA, "INS.EXP.MODE": "L881.7"})
    science = ab(night.associated(), "science")
    assert science.completeness is Completeness.INCOMPLETE
    assert {"FF_LOCCENTROID", "DISPERSION_SOLUTION"} <= {missing.tag for missing in science.missing}


def test_giraffe_integral_field_frames_make_no_ab() -> None:
    night = giraffe()
    for slit in ("IFU1", "Argus"):
        for catg, dpr_type in (("CALIB", "LAMP,FLAT"), ("SCIENCE", "OBJECT")):
            night.template((catg, dpr_type, "IFU"), keywords={**MEDUSA, "INS.SLIT.NAME": slit})
    result = night.associated()
    assert Counter(out.code for out in result.left_out) == {"IFU_MODE": 2, "ARGUS_MODE": 2}
    assert "science" not in counted(result)


def hawki_night() -> Night:
    night = Night("HAWKI", "HAWKI_R")
    for catg in (
        "PHOTCAL_TAB", "MASTER_LOCAL_CATALOGUE_ASTROM", "MASTER_LOCAL_CATALOGUE_PHOTOM", "SCHLEGEL_MAP_NORTH",
        "SCHLEGEL_MAP_SOUTH",
    ):  # fmt: skip
        night.static(catg)
    night.template(("CALIB", "DARK", "IMAGE"), keywords=hawki(10.0, 6), count=5)
    night.template(("CALIB", "DARK", "IMAGE"), keywords=hawki(2.0, 1), count=3)
    for filter1 in ("Ks", "J"):
        night.template(("CALIB", "FLAT", "IMAGE"), keywords=hawki(2.0, 1, filter1), count=6)
    return night


def test_hawki_filters_are_kept_apart_and_an_ob_is_one_ab() -> None:
    night = hawki_night()
    for filter1 in ("Ks", "J"):
        night.template(("SCIENCE", "OBJECT", "IMAGE"), keywords=hawki(10.0, 6, filter1), count=6)
    result = night.associated()
    assert counted(result) == {"dark": 2, "flat": 2, "noise": 1, "science": 2, "tile": 2}
    assert whole(result)
    for number in (0, 1):
        science = ab(result, "science", number)
        assert [raw.tag for raw in science.raws] == ["OBJECT"] * 6
        makers = {calibration.tag: calibration.source for calibration in science.mcalibs}
        assert makers["MASTER_TWILIGHT_FLAT"] == makers["MASTER_CONF"] == ab(result, "flat", number).name
        assert makers["MASTER_DARK"] == ab(result, "dark", 0).name, "the dark of its DIT"
        assert makers["MASTER_READGAIN"] == ab(result, "noise").name
        assert "JITTERED_IMAGE_SCI" in science.expected
        tile = ab(result, "tile", number)
        assert {(entry.ab, entry.tag) for entry in tile.inputs} == {
            (science.name, "BASIC_CALIBRATED_SCI"),
            (science.name, "BASIC_VAR_MAP"),
        }
        assert tile.waits_for == (science.name, ab(result, "flat", number).name)
        assert tile.name == science.name.replace("_tpl.ab", "_tile.ab")


def test_hawki_noise_takes_two_flats_and_two_darks_of_the_same_dit() -> None:
    result = hawki_night().associated()
    noise, flat, dark = ab(result, "noise"), ab(result, "flat"), ab(result, "dark", 1)
    assert [raw.tag for raw in noise.raws] == ["FLAT_TWILIGHT", "FLAT_TWILIGHT", "DARK", "DARK"]
    assert {raw.path for raw in noise.raws} == {raw.path for raw in (*flat.raws[:2], *dark.raws[:2])}
    assert noise.name == flat.name.replace("_tpl.ab", "_noise.ab"), "the flats name it"


def test_hawki_offset_skies_belong_to_the_objects_of_their_ob() -> None:
    night = hawki_night()
    frames = ("SCIENCE", "OBJECT", "IMAGE"), ("SCIENCE", "SKY", "IMAGE")
    night.template(*frames, keywords=hawki(10.0, 6, "Ks"), count=3)
    night.template(frames[1], keywords=hawki(10.0, 6, "J"), count=3)
    result = night.associated()
    assert counted(result)["science"] == 1, "skies alone make no AB"
    assert Counter(raw.tag for raw in ab(result, "science").raws) == {"OBJECT": 3, "SKY": 3}


def muse() -> Night:
    night = Night("MUSE", "MUSE_R")
    night.static("LINE_CATALOG")
    night.static("GEOMETRY_TABLE")
    night.template(("CALIB", "BIAS", "IFU"), keywords=MUSE, count=5, exptime_s=0.0)
    for mode in ("WFM-NOAO-N", "WFM-AO-N"):
        here = {**MUSE, "INS.MODE": mode}
        night.template(("CALIB", "FLAT,LAMP", "IFU"), keywords=here, count=5)
        night.template(("CALIB", "WAVE", "IFU"), keywords=here, count=9)
    night.template(("CALIB", "FLAT,SKY", "IFU"), keywords=MUSE, count=3)
    return night


def with_sky_tables(night: Night) -> Night:
    """Add the static tables without which a sky of its own cannot be reduced."""
    night.static("EXTINCT_TABLE")
    night.static("SKY_LINES")
    night.static("STD_RESPONSE", INS__MODE="WFM-NOAO-N")
    night.static("LSF_PROFILE", INS__MODE="WFM-NOAO-N")
    return night


def test_muse_modes_are_kept_apart_and_the_twilight_is_optional() -> None:
    night = with_sky_tables(muse())
    night.template(("SCIENCE", "OBJECT", "IFU"), ("SCIENCE", "SKY", "IFU"), keywords=MUSE)
    night.template(("SCIENCE", "OBJECT", "IFU"), keywords={**MUSE, "INS.MODE": "WFM-AO-N"})
    result = night.associated()
    assert counted(result) == {
        "bias": 1, "flat": 2, "wavelength": 2, "twilight": 1, "science": 3, "sky": 1, "exposure": 2,
    }  # fmt: skip
    assert [block.ab.inputs[0].tag for block in result.blocks if block.ab.task == "exposure"] == [
        "PIXTABLE_OBJECT",
        "PIXTABLE_OBJECT",
    ], "skies make no cube"
    assert whole(result)
    wide, sky, adaptive = (ab(result, "science", number) for number in range(3))
    assert (wide.expected, sky.expected) == (("PIXTABLE_OBJECT",), ("PIXTABLE_SKY",))
    common = ["GEOMETRY_TABLE", "MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE"]
    assert tags(wide) == [*common, "TWILIGHT_CUBE"]
    assert tags(adaptive) == common
    assert adaptive.mcalibs[2].source == ab(result, "flat", 1).name, "the flat of its own mode"
    assert wide.drs_type == "INT"


def test_muse_exposures_take_the_sky_the_smart_association_names() -> None:
    night = with_sky_tables(muse())
    target, sky = ("SCIENCE", "OBJECT", "IFU"), ("SCIENCE", "SKY", "IFU")
    linked = {**MUSE, "OBS.CONTAINER.ID": 7, "OBS.CONTAINER.TYPE": "C"}
    night.template(target, sky, target, keywords=MUSE, exptime_s=900.0)
    night.template(sky, keywords=linked, exptime_s=900.0)
    night.template(target, keywords=linked, exptime_s=900.0)
    night.template(target, keywords=MUSE, exptime_s=900.0)
    night.template(sky, target, target, keywords=MUSE, exptime_s=3000.0)
    result = night.associated()
    assert whole(result)
    raws = [frame for frame in night.frames if frame.kind is FrameKind.RAW]
    by_name = {block.ab.name: block for block in result.blocks}
    served = []
    for block in result.blocks:
        if block.ab.task == "exposure":
            makers = {m.source for m in block.ab.mcalibs if m.tag in ("SKY_CONTINUUM", "SKY_LINES")}
            told = sky_of(block.group.first, raws, 1.0)
            assert [by_name[maker].group.first for maker in makers] == ([told] if told else [])
            served.append(told is not None)
    assert served == [True, True, True, False, True, False], "the last is too far from its sky"


def test_muse_exposures_do_without_a_sky_that_cannot_be_reduced() -> None:
    night = muse()
    night.template(("SCIENCE", "OBJECT", "IFU"), ("SCIENCE", "SKY", "IFU"), keywords=MUSE)
    result = night.associated()
    sky = ab(result, "sky")
    assert {missing.tag for missing in sky.missing} == {
        "EXTINCT_TABLE", "STD_RESPONSE", "SKY_LINES", "LSF_PROFILE",
    }  # fmt: skip
    assert tags(ab(result, "exposure")) == []


def test_muse_exposures_of_an_ob_are_aligned_and_combined() -> None:
    night = muse()
    for ob in (1, 1, 2, 1):
        night.template(("SCIENCE", "OBJECT", "IFU"), keywords={**MUSE, "OBS.ID": ob}, exptime_s=900.0)
    result = night.associated()
    assert counted(result) | {"exposure": 4, "alignment": 1, "combine": 1} == counted(result)
    assert whole(result)
    cubes = tuple(ab(result, "exposure", number).name for number in (0, 1, 3))
    alignment, combine = ab(result, "alignment"), ab(result, "combine")
    assert {entry.tag for entry in alignment.inputs} == {"IMAGE_FOV"}
    assert {entry.tag for entry in combine.inputs} == {"PIXTABLE_REDUCED"}
    assert alignment.input_abs == combine.input_abs == cubes
    (offsets,) = combine.mcalibs
    assert (offsets.tag, offsets.source, offsets.dt_days) == ("OFFSET_LIST", alignment.name, 0.0)
    assert combine.waits_for == (*cubes, alignment.name)
    layers = levels(waits(block.ab for block in result.blocks))
    assert [combine.name] == layers[-1]
    by_name = {block.ab.name: block.ab for block in result.blocks}
    assert len(raws_of(combine, by_name)) == 3
    assert {raw.tag for raw in raws_of(combine, by_name)} == {"OBJECT"}


def test_muse_arcs_below_the_least_number_are_excluded() -> None:
    night = Night("MUSE", "MUSE_R")
    night.template(("CALIB", "WAVE", "IFU"), keywords=MUSE, count=8)
    block = ab(night.associated(), "wavelength")
    assert block.exclusion == "TOO_FEW_RAWS"
    assert "8 raw frames" in block.exclusion_reason
    assert "at least 9" in block.exclusion_reason


def kmos(lamps_off: int = 3) -> Night:
    night = Night("KMOS", "KMOS_R")
    for catg in ("REF_LINES", "WAVE_BAND", "SPEC_TYPE_LOOKUP"):
        night.static(catg)
    night.static("ARC_LIST", INS__GRAT1__ID="HK")
    night.template(("CALIB", "DARK", "IMAGE"), keywords={**KMOS, "DET.SEQ1.DIT": 60.0}, count=5)
    flats = [("CALIB", "FLAT,OFF", "SPECTRUM")] * lamps_off + [("CALIB", "FLAT,LAMP", "SPECTRUM")] * 3
    night.template(*flats, keywords=KMOS)
    night.template(("CALIB", "WAVE,OFF", "SPECTRUM"), ("CALIB", "WAVE,LAMP", "SPECTRUM"), keywords=KMOS)
    night.template(("CALIB", "OBJECT,SKY,STD,FLUX", "IFU"), keywords=KMOS, count=4)
    night.template(("SCIENCE", "OBJECT,SKY", "IFU"), keywords=KMOS, count=4, TPL__ID="KMOS_spec_obs_nodtosky")
    return night


def test_kmos_frames_with_lamp_on_and_off_make_one_ab() -> None:
    result = kmos().associated()
    assert counted(result) == {
        "dark": 1, "flat": 1, "wavelength": 1, "illumination": 1, "standard": 1, "science": 1,
        "combine": 1,
    }  # fmt: skip
    assert whole(result)
    flat = ab(result, "flat")
    assert [raw.tag for raw in flat.raws] == ["FLAT_ON"] * 3 + ["FLAT_OFF"] * 3, "the lamp's frames lead"
    assert flat.name.startswith(flat.raws[0].path.rsplit("/", 1)[1].removesuffix(".fits"))
    assert ab(result, "illumination").raws == flat.raws[:3]
    assert tags(ab(result, "science")) == [
        "WAVE_BAND", "MASTER_FLAT", "XCAL", "YCAL", "LCAL", "ILLUM_CORR", "TELLURIC",
    ]  # fmt: skip


def test_kmos_templates_of_an_ob_are_combined() -> None:
    night = kmos()
    for ob in (7, 7, 8):
        night.template(
            ("SCIENCE", "OBJECT,SKY", "IFU"), keywords={**KMOS, "OBS.ID": ob}, TPL__ID="KMOS_spec_obs_stare"
        )
    result = night.associated()
    science = [block.ab.name for block in result.blocks if block.ab.task == "science"]
    combined = [block.ab.input_abs for block in result.blocks if block.ab.task == "combine"]
    assert combined == [(science[0],), (science[1], science[2]), (science[3],)]


def test_kmos_flats_without_frames_of_the_lamp_off_are_excluded() -> None:
    result = kmos(lamps_off=0).associated()
    flat = ab(result, "flat")
    assert flat.exclusion == "TOO_FEW_RAWS"
    assert "0 of class FLAT_OFF" in flat.exclusion_reason
    assert ab(result, "science").completeness is Completeness.INCOMPLETE


#: Tables of a site that owns the physical model and versioned response curves, and of one that owns neither.
XSHOOTER_OWNED = ("XSH_MOD_CFG_TAB", "RESPONSE_MERGE1D_SLIT")
XSHOOTER_POOR = (
    "THEO_TAB_SING", "THEO_TAB_MULT", "SKY_LINE_LIST", "FLUX_STD_CATALOG", "RESP_FIT_POINTS_CAT",
)  # fmt: skip


def xshooter_night(tables: tuple[str, ...] = XSHOOTER_OWNED) -> Night:
    night = Night("XSHOOTER", "XSHOOT_R2")
    for arm in ("UVB", "VIS", "NIR"):
        for catg in ("SPECTRAL_FORMAT_TAB", "ARC_LINE_LIST", "ATMOS_EXT", *tables):
            night.static(f"{catg}_{arm}")
    for arm in ("UVB", "VIS"):
        night.template(("CALIB", "BIAS", "IMAGE"), keywords=xshooter(arm), count=5, exptime_s=0.0)
    night.template(("CALIB", "DARK", "IMAGE"), keywords=xshooter("NIR", dit=300.0), count=3, exptime_s=300.0)
    for dpr_type, tech in (
        ("LAMP,FMTCHK", PINHOLE), ("LAMP,ORDERDEF", PINHOLE), ("LAMP,FLAT", SLIT), ("LAMP,WAVE", PINHOLES),
    ):  # fmt: skip
        count = 3 if dpr_type == "LAMP,FLAT" else 1
        lamps = [dpr_type]
        if dpr_type in ("LAMP,ORDERDEF", "LAMP,FLAT"):
            lamps = [dpr_type.replace(",", ",D"), dpr_type.replace(",", ",Q")]
        uvb = [("CALIB", lamp, tech) for lamp in lamps]
        night.template(*uvb, keywords=xshooter("UVB"), count=count)
        night.template(("CALIB", dpr_type, tech), keywords=xshooter("VIS"), count=count)
        nir = ("CALIB", dpr_type, tech), ("CALIB", dpr_type, "IMAGE")
        night.template(*nir, keywords=xshooter("NIR"), count=count)
    return night


def test_xshooter_makes_an_ab_for_each_arm() -> None:
    night = xshooter_night()
    for arm in ("UVB", "VIS", "NIR"):
        here = xshooter(arm, dit=300.0)
        night.template(("SCIENCE", "OBJECT", "ECHELLE,SLIT,NODDING"), keywords=here, count=4, exptime_s=300.0)
        night.template(("SCIENCE", "OBJECT", "ECHELLE,SLIT,STARE"), keywords=here, count=2, exptime_s=300.0)
    result = night.associated()
    assert counted(result) == {
        "bias": 2, "dark": 1, "format_check": 3, "order_position": 3, "flat": 3, "wavelength": 3,
        "science_stare": 6, "science_nod": 3,
    }  # fmt: skip
    assert whole(result)
    uvb, vis, nir = (ab(result, "science_nod", number) for number in range(3))
    assert [len(block.raws) for block in (uvb, vis, nir)] == [4, 4, 4]
    assert tags(uvb) == [
        "SPECTRAL_FORMAT_TAB_UVB", "MASTER_BIAS_UVB", "MASTER_FLAT_SLIT_UVB", "ORDER_TAB_EDGES_SLIT_UVB",
        "XSH_MOD_CFG_OPT_2D_UVB", "DISP_TAB_UVB", "RESPONSE_MERGE1D_SLIT_UVB", "ATMOS_EXT_UVB",
    ]  # fmt: skip
    assert tags(nir)[1] == "MASTER_DARK_NIR", "no bias for the infrared"
    assert vis.expected == (
        "SCI_SLIT_FLUX_IDP_VIS", "SCI_SLIT_MERGE1D_VIS", "SCI_SLIT_MERGE2D_VIS",
        "SCI_SLIT_FLUX_MERGE1D_VIS", "SCI_SLIT_FLUX_MERGE2D_VIS",
    )  # fmt: skip
    flats = {block.ab.raws[0].tag: [raw.tag for raw in block.ab.raws] for block in result.blocks
             if block.ab.task == "flat"}  # fmt: skip
    assert flats["FLAT_D2_SLIT_UVB"] == ["FLAT_D2_SLIT_UVB"] * 3 + ["FLAT_QTH_SLIT_UVB"] * 3
    assert flats["FLAT_SLIT_NIR_ON"] == ["FLAT_SLIT_NIR_ON"] * 3 + ["FLAT_SLIT_NIR_OFF"] * 3


def test_xshooter_without_the_physical_model_goes_by_polynomials() -> None:
    night = xshooter_night(XSHOOTER_POOR)
    night.template(("CALIB", "STD,FLUX", "ECHELLE,SLIT,STARE"), keywords=xshooter("VIS"))
    night.template(("SCIENCE", "OBJECT", "ECHELLE,SLIT,NODDING"), keywords=xshooter("VIS"), count=2)
    result = night.associated()
    assert whole(result)
    check, arc, science = (
        ab(result, "format_check", 1),
        ab(result, "wavelength", 1),
        ab(result, "science_nod"),
    )
    assert tags(check) == [
        "SPECTRAL_FORMAT_TAB_VIS", "THEO_TAB_SING_VIS", "ARC_LINE_LIST_VIS", "MASTER_BIAS_VIS",
    ]  # fmt: skip
    assert check.expected == ("ORDER_TAB_GUESS_VIS", "WAVE_TAB_GUESS_VIS")
    assert {"WAVE_TAB_GUESS_VIS", "THEO_TAB_MULT_VIS"} <= set(tags(arc))
    assert "WAVE_TAB_2D_VIS" in arc.expected
    assert not any(catg.startswith("XSH_MOD_CFG") for block in result.blocks for catg in block.ab.expected)
    assert {"WAVE_TAB_2D_VIS", "DISP_TAB_VIS"} <= set(tags(science))
    (response,) = (calib for calib in science.mcalibs if calib.tag == "RESPONSE_MERGE1D_SLIT_VIS")
    assert response.source == ab(result, "response").name


def test_xshooter_reduces_telluric_standards_with_the_science() -> None:
    night = xshooter_night()
    night.template(("CALIB", "STD,TELLURIC", "ECHELLE,SLIT,NODDING"), keywords=xshooter("NIR"), count=2)
    night.template(("CALIB", "STD,TELLURIC", "ECHELLE,SLIT,STARE"), keywords=xshooter("VIS"), count=2)
    result = night.associated()
    assert whole(result)
    counts = counted(result)
    assert (counts["telluric_nod"], counts["telluric_stare"]) == (1, 2)
    assert "TELL_SLIT_FLUX_MERGE1D_NIR" in ab(result, "telluric_nod").expected


def test_xshooter_takes_the_flat_of_its_slit_only() -> None:
    night = xshooter_night()
    night.template(("SCIENCE", "OBJECT", "ECHELLE,SLIT,STARE"), keywords=xshooter("VIS", slit="0.4x11"))
    science = ab(night.associated(), "science_stare")
    assert {missing.tag for missing in science.missing} == {
        "MASTER_FLAT_SLIT_VIS",
        "ORDER_TAB_EDGES_SLIT_VIS",
    }


def test_xshooter_offset_exposures_need_their_skies() -> None:
    night = xshooter_night()
    pair = ("SCIENCE", "OBJECT", "ECHELLE,SLIT,OFFSET"), ("SCIENCE", "SKY", "ECHELLE,SLIT,OFFSET")
    night.template(*pair, keywords=xshooter("VIS"), count=2)
    night.template(pair[0], keywords=xshooter("VIS"), count=2)
    result = night.associated()
    paired, alone = ab(result, "science_offset", 0), ab(result, "science_offset", 1)
    assert not paired.exclusion
    assert [raw.tag for raw in paired.raws] == ["OBJECT_SLIT_OFFSET_VIS"] * 2 + ["SKY_SLIT_VIS"] * 2
    assert (alone.exclusion, alone.exclusion_reason.startswith("0 of class SKY_SLIT_VIS")) == (
        "TOO_FEW_RAWS",
        True,
    )


def test_the_order_of_the_frames_does_not_matter() -> None:
    muse_night = muse()
    for ob in (1, 2, 1):
        muse_night.template(("SCIENCE", "OBJECT", "IFU"), keywords={**MUSE, "OBS.ID": ob})
    for night in (giraffe(), hawki_night(), muse_night, kmos(), xshooter_night()):
        forward = [block.ab for block in night.associated().blocks]
        night.frames.reverse()
        assert [block.ab for block in night.associated().blocks] == forward
