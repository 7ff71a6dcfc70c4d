"""Column names of the simulated cohorts, by modality and feature group.

Constants only: texts that `camlif.data.simulator` names its columns by.
"""

from __future__ import annotations

from itertools import islice, product

_STATISTICS = ("mean", "sd", "q10", "q90")


def _measured(group: str, measures: str, k: int | None = None) -> tuple[str, ...]:
    names = (f"{group}_{m}_{s}" for m, s in product(measures.split(), _STATISTICS))
    return tuple(islice(names, k))


_NUCLEAR = (
    "area perimeter eccentricity solidity circularity extent major_axis minor_axis orientation "
    "hematoxylin eosin chromatin_contrast chromatin_entropy chromatin_energy"
)
GLIOMA_PATHOLOGY = {
    "tumour": _measured(
        "tumour", "density cellularity area_share hematoxylin eosin entropy contrast homogeneity"
    ),
    "vasculature": _measured(
        "vasculature", "density calibre tortuosity branching endothelial_share distance"
    ),
    "necrosis": _measured("necrosis", "area_share extent eosin border palisading"),
    "nuclei": _measured("nuclei", "area perimeter eccentricity solidity hematoxylin entropy shape"),
}

GLIOMA_RNA = tuple(f"rna_{i:03d}" for i in range(1, 241))
_ACROCENTRIC = (13, 14, 15, 21, 22)
_ARMS = tuple(
    f"{chromosome}{arm}"
    for chromosome in range(1, 23)
    for arm in "pq"
    if arm == "q" or chromosome not in _ACROCENTRIC
)
GLIOMA_CNV = (
    *(f"cnv_{arm}" for arm in _ARMS),
    *(f"cnv_focal_{i:02d}" for i in range(1, 80 - len(_ARMS))),
)
GLIOMA_MUTATIONS = ("mut_IDH",)

_FAMILIES = {"firstorder": 18, "glcm": 24, "gldm": 14, "glrlm": 16, "glszm": 16, "ngtdm": 5}
_SHAPE = (
    "Elongation Flatness LeastAxisLength MajorAxisLength Maximum2DDiameterColumn "
    "Maximum2DDiameterRow Maximum2DDiameterSlice Maximum3DDiameter MeshVolume MinorAxisLength "
    "Sphericity SurfaceArea SurfaceVolumeRatio VoxelVolume"
)
_FIRST_ORDER = (
    "10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum "
    "MeanAbsoluteDeviation Mean Median Minimum Range RobustMeanAbsoluteDeviation RootMeanSquared "
    "Skewness TotalEnergy Uniformity Variance"
)


def _radiomics(family: str, k: int) -> list[str]:
    if family == "firstorder":
        return [f"firstorder_{name}" for name in _FIRST_ORDER.split()]
    return [f"{family}_Feature{i:02d}" for i in range(1, k + 1)]


def _image(image: str) -> list[str]:
    return [f"{image}_{c}" for family, k in _FAMILIES.items() for c in _radiomics(family, k)]


N_CT = 487
_WAVELETS = tuple(
    islice(
        (c for band in ("LLH", "LHL", "LHH", "HLL", "HLH") for c in _image(f"wavelet-{band}")),
        N_CT - len(_SHAPE.split()) - sum(_FAMILIES.values()),
    )
)
LUAD_CT = {
    "shape": tuple(f"original_shape_{name}" for name in _SHAPE.split()),
    **{
        family: tuple(f"original_{c}" for c in _radiomics(family, k))
        for family, k in _FAMILIES.items()
    },
    "wavelet": _WAVELETS,
}


def _numbered(group: str, k: int) -> tuple[str, ...]:
    """Nuclear measures per tissue and neighbourhood radius, the first k of them."""
    names = (
        f"{group}_{measure}_{statistic}_r{radius}"
        for radius in (1, 2, 3, 4, 5, 6)
        for measure, statistic in product(_NUCLEAR.split(), _STATISTICS)
    )
    return tuple(islice(names, k))


LUAD_PATHOLOGY = {
    "tumour": _numbered("tumour", 58),
    "epithelium": _numbered("epithelium", 290),
    "stroma": _numbered("stroma", 290),
    "nuclei": _numbered("nuclei", 155),
}

GROUPS: dict[str, dict[str, dict[str, tuple[str, ...]]]] = {
    "glioma": {
        "pathology": {g: (f"{g}_*",) for g in GLIOMA_PATHOLOGY},
        "genomics": {"mRNA": ("rna_*",), "CNV": ("cnv_*",), "mutation": GLIOMA_MUTATIONS},
    },
    "luad": {
        "ct": {g: ("wavelet-*",) if g == "wavelet" else (f"original_{g}_*",) for g in LUAD_CT},
        "pathology": {g: (f"{g}_*",) for g in LUAD_PATHOLOGY},
    },
}
"""Manifest groups of each scenario's modalities; ``*`` matches any text."""
