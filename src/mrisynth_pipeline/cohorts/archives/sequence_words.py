"""The words by which people at scanners and in laboratories call sequences, in capitals.

Shared by the two places that tell a contrast from a name: DICOM series (``dicom_series``) and file names
(``contrast_names``).
"""

FLAIR_WORDS = ("FLAIR", "TIRM", "DARK")  # Siemens: t2_tirm_tra_dark-fluid
T1_WORDS = ("T1", "MPRAGE", "MPR3D", "BRAVO", "SPGR", "FSPGR", "TFE", "VIBE")
PD_WORDS = ("PD", "DP", "PROTON")
OTHER_WORDS = (
    *("LOCALIZER", "LOCALISER", "LOC", "SCOUT", "SURVEY", "PILOT", "CALIBRATION", "ASSET"),
    *("DWI", "DTI", "DIFF", "DIFFUSION", "ADC", "EADC", "TRACE", "TRACEW", "FA", "COLFA", "B0", "B1000"),
    *("PERF", "PERFUSION", "DSC", "DCE", "ASL", "CBF", "CBV", "MTT", "TTP", "BOLD", "FMRI", "RESTING"),
    *("SWI", "SWAN", "TOF", "MRA", "MRV", "ANGIO", "MIP", "MINIP", "VENOGRAM", "PHASE", "FIELDMAP", "FIELDMAPPING"),
    *("SUB", "SUBTRACTION", "DIR", "STIR", "CISS", "FIESTA", "T2STAR", "MEDIC", "MRS", "SVS", "CSI"),
    *("SPINE", "CSPINE", "LSPINE", "CERVICAL", "THORACIC", "LUMBAR", "NECK", "ORBIT", "ORBITS", "ABDOMEN", "PELVIS"),
)
"""Names of sequences and maps that are none of the project's contrasts."""
AGENT_WORDS = (
    *("GD", "GAD", "GADO", "GADOLINIUM", "POST", "POSTGD", "POSTCONTRAST", "CE", "KM", "CONTRAST"),
    *("T1C", "T1CE", "T1GD", "T1KM", "T1POST"),
)
"""Gadolinium was given; ``KM`` is German for contrast agent."""
NATIVE_WORDS = ("PRE", "PREGD", "PRECONTRAST", "NATIVE", "NATIV", "NONCONTRAST")
WITHOUT_WORDS = ("WITHOUT", "WO", "NO", "NON", "OHNE", "SANS")
"""Only before a word of the agent: "T1 post without fat saturation" is after it."""
