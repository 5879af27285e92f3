"""Who is in the phantom cohort: names, sites and repeat visits."""

from dataclasses import dataclass

from mrisynth_pipeline.cohorts.parameters import PhantomParameters

_FOLLOW_UP_EVERY = 6
"""Every sixth glioma subject is the second visit of the patient before; healthy ones have nothing to follow up."""

_FIRST = {"brats": (90001, 95001), "remind": (901, 5001)}
"""First number of a patient and of a healthy person: who is in two cohorts of a study needs two names."""

_SITES = ("Guys", "HH", "Guys", "IOP")
"""IXI sites in turn; Guy's contributed about half of that archive."""

_BRATS_NAMES = {"t1": "t1n", "t1c": "t1c", "t2": "t2w", "flair": "t2f", "seg": "seg"}
_IXI_NAMES = {"t1": "T1", "t2": "T2", "pd": "PD"}
_REMIND_NAMES = {
    "t2": "Preop-MR/{case}-preop-MR-3D_SAG_T2_SPACE",
    "t1c": "Preop-MR/{case}-preop-MR-3D_AX_T1_postcontrast",
    "flair": "Preop-MR/{case}-preop-MR-3D_SAG_T2_FLAIR",
    "us": "Intraop-US/{case}-intraop-US-pre_dura",
    "seg": "Annotations/{case}-preop-SEG-tumor-MR-3D_SAG_T2_SPACE",
}
"""Below the case's folder, as in ReMIND; the tumour is outlined on the T2."""


@dataclass(frozen=True)
class Enrolment:
    """One subject: a patient at one visit.

    Attributes:
        number: Position in the cohort, from 0; seeds what differs between visits.
        patient_number: Position among the patients, from 0; seeds the anatomy.
        session: 0 for the first visit, 1 for the second.
        site: IXI site, or ``""``.
        subject: Name of the subject in its archive's style.
        patient: Name of the patient.
        layout: Name of the archive's layout.
    """

    number: int
    patient_number: int
    session: int
    site: str
    subject: str
    patient: str
    layout: str

    @property
    def file_names(self) -> dict[str, str]:
        """Modality → its name in the archive's file names."""
        return {"ixi": _IXI_NAMES, "brats": _BRATS_NAMES, "remind": _REMIND_NAMES}[self.layout]

    def scan_path(self, modality: str) -> str:
        """Path of a scan (or of ``seg``) below the cohort's folder, in the archive's layout."""
        name = self.file_names[modality]
        if self.layout == "remind":
            return f"{self.subject}/{name.format(case=self.subject)}.nrrd"
        folder = f"IXI-{name}" if self.layout == "ixi" else self.subject
        return f"{folder}/{self.subject}-{name}.nii.gz"

    def transform_path(self, reference: str, moving: str) -> str:
        """Path of the file that leads from one scan to another below the cohort's folder (ReMIND only)."""
        series = (self.scan_path(modality).rpartition("/")[2].removesuffix(".nrrd") for modality in (reference, moving))
        kind = "affine" if "us" in (reference, moving) else "rigid"
        return f"{kind}/{self.subject}/{self.subject}-{'-to-'.join(series)}.tfm"


def enrol(parameters: PhantomParameters, number: int) -> Enrolment:
    """The subject at a position in the cohort; depends on nothing but the position, the layout and the lesions."""
    if parameters.layout == "ixi":
        site = _SITES[number % len(_SITES)]
        patient = f"IXI{901 + number:03d}"
        return Enrolment(number, number, 0, site, f"{patient}-{site}-{901 + number:04d}", patient, "ixi")
    first = _FIRST[parameters.layout][0 if parameters.lesions else 1]
    if parameters.layout == "remind":
        case = f"Case{first + number:03d}"  # the archive has 114
        return Enrolment(number, number, 0, "", case, case, "remind")
    patient_number, session = number, 0
    if parameters.lesions:
        earlier_follow_ups, place = divmod(number, _FOLLOW_UP_EVERY)
        session = int(place == _FOLLOW_UP_EVERY - 1)
        patient_number = number - earlier_follow_ups - session
    patient = f"BraTS-GLI-{first + patient_number:05d}"
    return Enrolment(number, patient_number, session, "", f"{patient}-{session:03d}", patient, "brats")
