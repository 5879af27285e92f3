"""Which mask a subject gets: one that came with its scans, a program's, or one that is found."""

import nibabel as nib
import numpy as np
import pytest

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.imaging.cohort import preprocess_cohort
from mrisynth_pipeline.imaging.geometry import Grid, resample
from mrisynth_pipeline.imaging.parameters import GridParameters, PreprocessingParameters, RegistrationParameters
from mrisynth_pipeline.imaging.scan import read_scan
from mrisynth_pipeline.imaging.subject import ScanSource, preprocess_subject
from mrisynth_pipeline.imaging.subject_file import SubjectStore

PARAMETERS = PreprocessingParameters(
    grid=GridParameters(size=(56, 64, 56), spacing_mm=(3, 3, 3)),
    registration=RegistrationParameters(levels_mm=(6.0, 3.0)),
)
CONTRASTS = ("t1c", "t2")


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


def sources(paths):
    return {name: ScanSource(path, str(path)) for name, path in paths.items()}


class TestFromTheScanner:
    @pytest.fixture
    def patient(self, heads):
        name = heads.subjects[1]
        return name, {contrast: heads.scans(name)[contrast] for contrast in CONTRASTS}

    @pytest.fixture
    def drawn(self, heads, patient, tmp_path):
        """The true brain on one contrast's voxels, where that contrast's head lies."""
        name, scans = patient

        def draw(contrast):
            scan = nib.load(scans[contrast])
            to_reference = np.linalg.inv(heads.motion(name, "t1c", contrast))
            truth = read_scan(heads.truth(name) / "brain.nii.gz").image
            brain = resample(truth, Grid(scan.shape, scan.affine), to_reference, "nearest")
            path = tmp_path / f"brain-{contrast}.nii.gz"
            nib.save(nib.Nifti1Image(brain.transpose(2, 1, 0).astype(np.uint8) * 7, scan.affine), path)
            return path

        return draw

    def found(self, heads, patient, parameters=PARAMETERS, **more):
        """The subject, and the true brain on its grid."""
        name, scans = patient
        subject = preprocess_subject(name, sources({**scans, **more}), CONTRASTS, parameters, False)
        grid = Grid(subject.mask.shape[::-1], subject.grid_affine)
        return subject, resample(read_scan(heads.truth(name) / "brain.nii.gz").image, grid) > 0.5

    def test_a_mask_drawn_on_the_reference_is_the_mask(self, heads, patient, drawn):
        subject, truth = self.found(heads, patient, brain=drawn("t1c"))
        assert dice(subject.mask, truth) > 0.98
        assert subject.sources["brain"]["path"].endswith("brain-t1c.nii.gz")

    def test_a_mask_drawn_on_another_contrast_moves_with_it(self, heads, patient, drawn):
        name, _ = patient
        moved = heads.motion(name, "t1c", "t2")
        assert np.linalg.norm(moved[:3, 3]) > 1, "the test needs a head that moved"
        subject, truth = self.found(heads, patient, brain=drawn("t2"))
        assert subject.reference == "t1c"
        assert dice(subject.mask, truth) > 0.96

    def test_it_goes_before_a_program_that_is_not_installed(self, heads, patient, drawn, monkeypatch):
        monkeypatch.setenv("PATH", "")
        program = PARAMETERS.model_copy(update={"mask": "synthstrip"})
        subject, truth = self.found(heads, patient, program, brain=drawn("t1c"))
        assert dice(subject.mask, truth) > 0.98

    def test_it_is_not_used_where_it_is_not_wanted(self, heads, patient, drawn):
        nothing = self.found(heads, patient)[0]
        unwanted = PARAMETERS.model_copy(update={"use_given_mask": False})
        subject, _ = self.found(heads, patient, unwanted, brain=drawn("t1c"))
        np.testing.assert_array_equal(subject.mask, nothing.mask)
        assert "brain" not in subject.sources
        head = self.found(heads, patient, PARAMETERS.model_copy(update={"mask": "head"}), brain=drawn("t1c"))[0]
        assert head.mask.sum() > 1.5 * nothing.mask.sum()

    def test_an_implausible_one_is_used_and_warned_of(self, heads, patient, drawn):
        path = drawn("t1c")
        scan = nib.load(path)
        third = np.asarray(scan.dataobj).copy()
        third[:, : int(np.percentile(np.nonzero(third)[1], 67))] = 0
        nib.save(nib.Nifti1Image(third, scan.affine), path)
        subject, truth = self.found(heads, patient, brain=path)
        assert subject.mask.sum() < 0.5 * truth.sum()
        assert "implausible: look at the mask" in subject.quality["warnings"]

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            (lambda brain, affine: (brain * 0, affine), "is empty"),
            (lambda brain, affine: (brain[1:], affine), "the voxels of none of t1c, t2"),
            (lambda brain, affine: (brain, affine + np.diag([0.0, 0.5, 0.0, 0.0])), "the voxels of none of"),
        ],
        ids=["empty", "cropped", "stretched"],
    )
    def test_one_that_cannot_be_placed_is_refused(self, heads, patient, drawn, change, words):
        path = drawn("t1c")
        scan = nib.load(path)
        nib.save(nib.Nifti1Image(*change(np.asarray(scan.dataobj), scan.affine)), path)
        with pytest.raises(InputError, match=rf"brain-t1c.*{words}.*use_given_mask"):
            self.found(heads, patient, brain=path)


class TestStripped:
    @pytest.fixture
    def archive(self, write_archive, tmp_path):
        """Subject ``a`` with t1 and t2, and room for a mask."""
        manifest = write_archive(subjects=("a",))
        scans = {row.modality: tmp_path / "raw" / row.path for row in manifest.itertuples()}

        def mask(array, affine=None):
            path = tmp_path / "raw" / "a-brain.nii.gz"
            affine = np.diag([4.0, 4.0, 4.0, 1.0]) if affine is None else affine
            nib.save(nib.Nifti1Image(array.astype(np.uint8), affine), path)
            return sources({**scans, "brain": path})

        return np.asarray(nib.load(scans["t1"]).dataobj), scans, mask

    def test_the_given_mask_and_what_is_not_zero(self, archive, small):
        volume, _, mask = archive
        wanted = np.zeros(volume.shape)
        wanted[:, :, 10:] = 1  # reaches beyond the brain at the sides, lacks its lower half
        subject = preprocess_subject("a", mask(wanted), ("t1", "t2"), small, True)
        assert subject.mask.sum() == ((volume > 0) & (wanted > 0)).sum()
        assert not subject.volumes[:, ~subject.mask].any()

    def test_registered_heads_with_a_mask_are_welcome(self, archive, small):
        volume, scans, mask = archive
        for path in scans.values():
            nib.save(
                nib.Nifti1Image(np.where(volume > 0, volume, 20).astype(np.float32), np.diag([4.0] * 3 + [1])), path
            )
        with pytest.raises(InputError, match="not skull-stripped"):
            preprocess_subject("a", sources(scans), ("t1", "t2"), small, True)
        subject = preprocess_subject("a", mask(volume > 0), ("t1", "t2"), small, True)
        assert subject.mask.sum() == (volume > 0).sum()

    def test_a_mask_beside_the_brain_is_refused(self, archive, small):
        volume, _, mask = archive
        corner = np.zeros(volume.shape)
        corner[:2, :2, :2] = 1
        with pytest.raises(InputError, match="no foreground"):
            preprocess_subject("a", mask(corner), ("t1", "t2"), small, True)


def test_a_missing_program_is_missed_once_before_the_work_starts(heads, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    parameters = PARAMETERS.model_copy(update={"mask": "hd-bet", "workers": 1})
    store = SubjectStore(tmp_path / "store")
    with pytest.raises(InputError, match=r"preprocessing\.mask: hd-bet: there is no program"):
        preprocess_cohort(heads.manifest, store, parameters, CONTRASTS)
    assert store.subjects() == []


def test_skull_stripped_cohorts_need_no_program(write_archive, small, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    parameters = small.model_copy(update={"mask": "hd-bet"})
    index = preprocess_cohort(write_archive(), SubjectStore(tmp_path / "store"), parameters, ("t1", "t2"))
    assert (index["status"] == "done").all()
