"""Contrast and distinguishability of both themes, computed for every tone."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from dashboard.figures.palette import (
    DARK,
    LIGHT,
    PATTERNS,
    Palette,
    Theme,
    band_tones,
    broken_styles,
    contrast,
    grade_styles,
    line_styles,
    modality_colors,
    modality_patterns,
    palette,
    solid_styles,
    strata_colors,
    subtype_symbols,
    text_tone,
)

THEMES: tuple[Theme, ...] = ("light", "dark")
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
DEUTERANOPIA = np.array(  # Machado, Oliveira and Fernandes 2009, severity 1, linear RGB
    [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ]
)


def linear_rgb(color: str) -> NDArray[np.float64]:
    channels = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    relative = (XYZ @ linear) / np.array([0.95047, 1.0, 1.08883])
    f = np.where(
        relative > (6 / 29) ** 3, np.cbrt(relative), relative / (3 * (6 / 29) ** 2) + 4 / 29
    )
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def cie76(first: str, second: str, vision: NDArray[np.float64]) -> float:
    labs = [lab(np.clip(vision @ linear_rgb(color), 0, 1)) for color in (first, second)]
    return float(np.linalg.norm(labs[0] - labs[1]))


def marks(p: Palette) -> list[str]:
    return [
        *p.strata,
        *p.quarters,
        *p.modalities,
        *p.grades,
        *p.categories,
        *p.values,
        p.lowers,
        p.raises,
        p.outline,
        p.scale[1],
    ]


@pytest.mark.parametrize("p", [LIGHT, DARK], ids=["light", "dark"])
def test_every_mark_has_three_to_one_contrast_against_the_page(p: Palette) -> None:
    assert {tone for tone in marks(p) if contrast(tone, p.page) < 3} == set()


@pytest.mark.parametrize("p", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_tone_has_four_and_a_half_to_one_contrast(p: Palette) -> None:
    assert min(contrast(p.text, p.page), contrast(p.muted, p.page)) >= 4.5


@pytest.mark.parametrize("theme", THEMES)
def test_a_mark_written_as_text_is_made_readable(theme: Theme) -> None:
    p = palette(theme)
    tones = [text_tone(mark, theme) for mark in marks(p)]
    assert {tone for tone in tones if contrast(tone, p.page) < 4.5} == set()


@pytest.mark.parametrize("vision", [np.eye(3), DEUTERANOPIA], ids=["normal", "deuteranopia"])
@pytest.mark.parametrize("p", [LIGHT, DARK], ids=["light", "dark"])
def test_strata_and_grades_differ_pairwise(p: Palette, vision: NDArray[np.float64]) -> None:
    for tones in (p.strata, p.grades[1:], (p.lowers, p.raises)):
        assert min(cie76(a, b, vision) for a, b in itertools.combinations(tones, 2)) > 25


def test_the_light_strata_have_the_differences_of_the_specification() -> None:
    """Smallest CIE76 difference 47 in normal, 30 in deutan vision (product specification 5)."""
    pairs = list(itertools.combinations(LIGHT.strata, 2))
    assert round(min(cie76(a, b, np.eye(3)) for a, b in pairs)) == 47
    assert round(min(cie76(a, b, DEUTERANOPIA) for a, b in pairs)) == 30


def test_contrast_of_black_on_white_is_twenty_one() -> None:
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)  # WCAG's known failure


def test_a_stratum_role_fixes_colour_and_dash_in_any_order() -> None:
    high, low = line_styles(["high", "low"], "light")
    assert (high.color, high.dash) == ("#8B1A1A", "dashdot")
    assert (low.color, low.dash) == ("#0072B2", "solid")


def test_two_strata_take_the_ends_of_the_three() -> None:
    assert strata_colors(2, "light") == (LIGHT.low, LIGHT.high)
    assert [len(set(strata_colors(n, "dark"))) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]


def test_clinical_keeps_its_grey_and_extra_modalities_cycle() -> None:
    names = ["clinical", *(f"m{i}" for i in range(9))]
    colors = modality_colors(names, "light")
    assert colors["clinical"] == "#595959"
    assert [colors["m0"], colors["m1"]] == ["#5E3C99", "#00796B"]
    assert colors["m5"] == colors["m0"]
    assert "#595959" not in [colors[name] for name in names[1:]]
    assert modality_patterns(names)["m8"] == PATTERNS[1]


def test_roman_grades_keep_their_colour_when_one_is_absent() -> None:
    styles = grade_styles(["II", "IV"], "light")
    assert styles["II"].color == LIGHT.grades[1]
    assert styles["IV"].color == LIGHT.grades[3]
    assert (styles["II"].fill, styles["IV"].fill) == (0.0, 1.0)


def test_grades_differ_in_fill_and_size_as_well() -> None:
    styles = grade_styles(["1", "2", "3"], "dark").values()
    assert [style.fill for style in styles] == [0.0, 0.5, 1.0]
    assert [style.size for style in styles] == [7, 8, 9]


def test_subtypes_have_the_symbols_of_the_specification() -> None:
    symbols = subtype_symbols(["ODG", "IMA", "IWA", "not given"])
    assert [symbols[name] for name in ("IWA", "IMA", "ODG")] == ["circle", "square", "triangle-up"]
    assert symbols["not given"] not in ("circle", "square", "triangle-up")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_bands_and_quarters_are_told_apart_in_grey(theme: Theme, n: int) -> None:
    bands = band_tones(n, theme)
    assert min(contrast(a, b) for a, b in itertools.pairwise(bands)) >= 1.12
    quarters = strata_colors(4, theme)
    assert min(contrast(a, b) for a, b in itertools.pairwise(quarters)) >= 1.35


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("n", [2, 3, 4])
def test_ordered_groups_and_those_beside_them_share_no_colour_and_no_dash(
    theme: Theme, n: int
) -> None:
    solid, broken = solid_styles(n, theme), broken_styles(n, theme)
    assert len({style.color for style in (*solid, *broken)}) == 2 * n
    assert {style.dash for style in solid} == {"solid"}
    assert len({style.dash for style in broken} - {"solid"}) == n
    assert len({style.width for style in solid}) == n
