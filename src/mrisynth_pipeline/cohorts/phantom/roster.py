"""Who is in the phantom cohort: names, sites and repeat visits."""

from dataclasses import dataclass

from mrisynth_pipeline.cohorts.parameters import PhantomParameters

_FOLLOW_UP_EVERY = 6
"""Every sixth glioma subject is the second visit of the patient before."""

_SITES = ("Guys", "HH", "Guys", "IOP")
"""IXI sites in turn; Guy's contributed about half of that archive."""

_BRATS_NAMES = {"t1": "t1n", "t1c": "t1c", "t2": "t2w", "flair": "t2f", "seg": "seg"}
_IXI_NAMES = {"t1": "T1", "t2": "T2", "pd": "PD"}


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
    """

    number: int
    patient_number: int
    session: int
    site: str
    subject: str
    patient: str

    @property
    def file_names(self) -> dict[str, str]:
        """Modality → its name in the archive's file names."""
        return _IXI_NAMES if self.site else _BRATS_NAMES

    def scan_path(self, modality: str) -> str:
        """Path of a scan (or of ``seg``) below the cohort's folder, in the archive's layout."""
        name = self.file_names[modality]
        folder = f"IXI-{name}" if self.site else self.subject
        return f"{folder}/{self.subject}-{name}.nii.gz"


def enrol(parameters: PhantomParameters, number: int) -> Enrolment:
    """The subject at a position in the cohort; depends on nothing but the position and the layout."""
    if parameters.layout == "ixi":
        site = _SITES[number % len(_SITES)]
        patient = f"IXI{901 + number:03d}"
        return Enrolment(number, number, 0, site, f"{patient}-{site}-{901 + number:04d}", patient)
    earlier_follow_ups, place = divmod(number, _FOLLOW_UP_EVERY)
    session = int(place == _FOLLOW_UP_EVERY - 1)
    patient_number = number - earlier_follow_ups - session
    patient = f"BraTS-GLI-{90001 + patient_number:05d}"
    return Enrolment(number, patient_number, session, "", f"{patient}-{session:03d}", patient)
