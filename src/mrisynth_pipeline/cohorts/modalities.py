"""The contrasts (modalities) the project knows, under one name each."""

DISPLAY_NAMES: dict[str, str] = {
    "t1": "T1",
    "t1c": "T1Gd",
    "t2": "T2",
    "flair": "FLAIR",
    "pd": "PD",
    "us": "US",
}
"""Internal name → the name a radiologist reads. ``t1c`` is T1-weighted after gadolinium, ``us`` B-mode ultrasound."""

ULTRASOUND = "us"
"""The one contrast that is no MR: a fan of speckle, where neither a brain nor a common histogram can be looked for."""

MR_CONTRASTS: tuple[str, ...] = tuple(name for name in DISPLAY_NAMES if name != ULTRASOUND)
"""What an archive of MR scans may hold, in channel order."""

SEGMENTATION = "seg"
"""The name under which a manifest lists a tumour label map."""

BRAIN_MASK = "brain"
"""The name under which a manifest lists a brain mask that came with the scans."""

TUMOUR_LABELS: dict[int, str] = {1: "necrotic core", 2: "oedema", 3: "enhancing tumour"}
"""The one internal label convention: that of BraTS 2023. Older archives write 4 for enhancing tumour."""

TUMOUR_REGIONS: dict[str, tuple[int, ...]] = {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
"""BraTS evaluation regions as sets of internal labels: whole tumour, tumour core, enhancing tumour."""

TISSUES: dict[str, int] = {"grey": 1, "white": 2, "csf": 3}
"""Tissue → its label in a tissue map; 0 is none of them: background, tumour, vessels."""
