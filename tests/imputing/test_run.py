"""Many subjects, from the command's point of view: resumed, refused, written whole."""

import errno
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from mrisynth_pipeline import load_model
from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.command_line import cli
from mrisynth_pipeline.imputing import run
from mrisynth_pipeline.imputing.orders import carry_out, understand


@pytest.fixture
def order(lab, package, tmp_path):
    """A function: understand a study of two subjects that lack something and one that lacks nothing."""
    study = lab({"01": ("t1",), "02": ("t1", "flair"), "03": ("t1", "t2", "flair")})

    def ask(**options):
        return understand({"input": study, "output": tmp_path / "out", "model": str(package), **options})

    ask.study, ask.out, ask.package = study, tmp_path / "out", package
    return ask


def status(outcomes):
    return {outcome.subject: outcome.status for outcome in outcomes}


class TestResults:
    def test_every_missing_contrast_lies_on_the_grid_of_its_subjects_scan_with_a_sidecar(self, order):
        outcomes = carry_out(*order())
        assert status(outcomes) == {"sub-01": "done", "sub-02": "done", "sub-03": "nothing missing"}
        anat = order.out / "sub-01" / "anat"
        real = nib.load(order.study / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
        for suffix in ("T2w", "FLAIR"):
            image = nib.load(anat / f"sub-01_desc-synth_{suffix}.nii.gz")
            error = nib.load(anat / f"sub-01_desc-synthError_{suffix}.nii.gz")
            assert image.shape == error.shape == real.shape
            np.testing.assert_allclose(image.affine, real.affine, atol=1e-5)
            about = json.loads((anat / f"sub-01_desc-synth_{suffix}.json").read_text())
            assert about["NotForDiagnosticUse"] is True
            assert about["Sources"] == ["sub-01/anat/sub-01_T1w.nii.gz"]
            assert (
                list(about["SourceHashes"]) == about["Sources"]
                and len(about["SourceHashes"][about["Sources"][0]]) == 64
            )
            assert about["TrafficLight"] in ("green", "amber", "red")
            assert 0 < about["ExpectedAbsoluteError"]["MeanShareOfRange"] < 1
        assert not (order.out / "sub-03").exists()
        assert not list(order.out.glob(".*-*")), "no hidden folder is left"

    def test_the_dataset_describes_itself_and_is_listed(self, order):
        carry_out(*order())
        about = json.loads((order.out / "dataset_description.json").read_text())
        assert about["DatasetType"] == "derivative" and "diagnostic" in about["GeneratedBy"][0]["Description"]
        table = (order.out / "summary.tsv").read_text().splitlines()
        assert len(table) == 4 and table[0].startswith("subject\tstatus\tlight")
        index = (order.out / "index.html").read_text()
        assert "sub-01.html" in index and "sub-03" in index
        assert "Not for diagnostic use" in (order.out / "sub-01.html").read_text()

    def test_no_path_of_this_machine_is_published(self, order, tmp_path):
        carry_out(*order())
        for file in order.out.rglob("*"):
            if file.suffix in (".json", ".html", ".tsv"):
                assert str(order.study) not in file.read_text(), file

    def test_what_is_asked_for_although_it_is_there_is_compared(self, order):
        outcomes = carry_out(*order(to="flair"))
        assert status(outcomes) == dict.fromkeys(("sub-01", "sub-02", "sub-03"), "done")
        about = json.loads((order.out / "sub-03" / "anat" / "sub-03_desc-synth_FLAIR.json").read_text())
        assert about["BesideTheWithheldScan"]["PSNR"] > 20
        assert "sub-03_FLAIR" not in " ".join(about["Sources"])
        assert "withheld" in (order.out / "sub-03.html").read_text()


class TestResuming:
    def test_a_second_run_keeps_what_is_done(self, order):
        carry_out(*order())
        image = order.out / "sub-01" / "anat" / "sub-01_desc-synth_T2w.nii.gz"
        before = image.stat().st_mtime_ns
        again = carry_out(*order())
        assert status(again)["sub-01"] == "done" and image.stat().st_mtime_ns == before

    @pytest.mark.parametrize("change", ["a file is lost", "a scan changed", "an option changed", "overwrite"])
    def test_but_not_if_anything_it_depends_on_changed(self, order, put, change):
        carry_out(*order())
        image = order.out / "sub-01" / "anat" / "sub-01_desc-synth_T2w.nii.gz"
        options = {}
        if change == "a file is lost":
            image.with_name(image.name.replace("synth_", "synthError_")).unlink()
        elif change == "a scan changed":
            put(order.study / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
        else:
            options = {"n_samples": 3} if change == "an option changed" else {"overwrite": True}
        before = image.stat().st_mtime_ns
        carry_out(*order(**options))
        assert image.stat().st_mtime_ns != before

    def test_a_killed_run_goes_on_with_the_next_subject(self, order, monkeypatch):
        real, done = run.impute_subject, []

        def killed_at_the_second(subject, *arguments):
            if done:
                raise KeyboardInterrupt
            done.append(subject)
            return real(subject, *arguments)

        monkeypatch.setattr(run, "impute_subject", killed_at_the_second)
        with pytest.raises(KeyboardInterrupt):
            carry_out(*order())
        monkeypatch.setattr(
            run, "impute_subject", lambda subject, *rest: (done.append(subject), real(subject, *rest))[1]
        )
        assert status(carry_out(*order()))["sub-02"] == "done"
        assert done == ["sub-01", "sub-02"]
        assert not list(order.out.glob(".*-*"))

    def test_results_inside_the_input_are_never_taken_for_scans(self, order):
        inside = order.study / "derivatives" / "imputed"
        carry_out(*order(output=inside))
        subjects, _ = order(output=inside)
        assert all("synth" not in source.path.name for subject in subjects for source in subject.scans.values())
        assert status(carry_out(*order(output=inside)))["sub-01"] == "done"


class TestFaults:
    def test_one_broken_subject_costs_itself_alone(self, order):
        broken = order.study / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
        broken.write_bytes(broken.read_bytes()[:100])
        outcomes = {each.subject: each for each in carry_out(*order())}
        assert outcomes["sub-01"].status == "failed" and "sub-01_T1w.nii.gz" in outcomes["sub-01"].reason
        assert outcomes["sub-02"].status == "done"
        assert "sub-01" in (order.out / "index.html").read_text()

    def test_a_full_disk_ends_the_run_in_one_line_and_leaves_nothing_half_written(self, order, monkeypatch):
        def full(image, path):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("mrisynth_pipeline.imputing.derivatives.nib.save", full)
        with pytest.raises(InputError, match="No space left on device"):
            carry_out(*order())
        left = {path.name for path in order.out.rglob("*") if path.is_file()}
        assert left == {"dataset_description.json", ".bidsignore"}

    def test_where_nothing_can_be_written_nothing_is_imputed(self, order, monkeypatch):
        (order.out).write_text("a file is in the way")
        monkeypatch.setattr(run, "impute_subject", lambda *_: pytest.fail("imputed in vain"))
        with pytest.raises(InputError, match="nothing can be written there"):
            carry_out(*order())

    def test_two_subjects_of_one_bids_label_are_not_mixed_up(self, package, put, tmp_path):
        for name in ("P-1", "P_1"):
            put(tmp_path / "own" / name / "T1.nii.gz")
        subjects, order = understand(
            {"input": tmp_path / "own", "output": tmp_path / "out", "model": str(package), "registered": True}
        )
        assert {each.status for each in run.plan_all(subjects, order)} == {"failed"}


class TestCommand:
    def test_it_imputes_and_says_where_to_look(self, order):
        result = CliRunner().invoke(cli, ["impute", str(order.study), "-o", str(order.out), "-m", str(order.package)])
        assert result.exit_code == 0, result.output
        assert "2 done, 1 nothing missing" in result.output and "index.html" in result.output
        assert "Not for diagnostic use" in result.output

    def test_a_dry_run_says_what_would_be_done_and_writes_nothing(self, order):
        arguments = ["impute", str(order.study), "-o", str(order.out), "-m", str(order.package), "--dry-run"]
        result = CliRunner().invoke(cli, arguments)
        assert result.exit_code == 0 and "T2, FLAIR from T1" in result.output
        assert not order.out.exists()

    def test_files_may_be_named_one_by_one(self, order):
        file = order.study / "sub-02" / "anat" / "sub-02_T1w.nii.gz"
        arguments = ["impute", "--t1", str(file), "--subject", "P7", "--to", "T2w", "-o", str(order.out)]
        result = CliRunner().invoke(cli, [*arguments, "-m", str(order.package), "--registered", "--no-pages"])
        assert result.exit_code == 0, result.output
        assert (order.out / "sub-P7" / "anat" / "sub-P7_desc-synth_T2w.nii.gz").is_file()
        assert not list(order.out.glob("*.html"))

    @pytest.mark.parametrize(
        ("arguments", "told", "code"),
        [
            (["{study}"], "--output", 2),
            (["-o", "{out}"], "Name a folder of scans", 2),
            (["{study}", "--t1", "x.nii.gz", "-o", "{out}"], "one of the two", 2),
            (["{study}/nowhere", "-o", "{out}"], "nowhere", 1),
            (["{study}", "-o", "{out}", "--to", "t9"], "t9", 1),
            (["{study}", "-o", "{out}", "-m", "{study}"], "model_card.json", 1),
            (["{study}", "-o", "{out}", "--to", "pd"], "cannot be imputed", 1),
        ],
    )
    def test_what_is_wrong_is_said_in_a_line_with_an_exit_code(self, order, arguments, told, code):
        filled = [part.format(study=order.study, out=order.out) for part in arguments]
        if "-m" not in filled:
            filled += ["-m", str(order.package)]
        result = CliRunner().invoke(cli, ["impute", *filled])
        assert result.exit_code == code, result.output
        assert told in result.output and "Traceback" not in result.output

    def test_a_pickle_in_disguise_is_not_opened(self, order, tmp_path):
        disguised = shutil.copytree(order.package, tmp_path / "disguised")
        (disguised / "weights.safetensors").write_bytes(b"\x80\x04\x95cposix\nsystem\n.")
        result = CliRunner().invoke(cli, ["impute", str(order.study), "-o", str(order.out), "-m", str(disguised)])
        assert result.exit_code == 1 and "weights.safetensors" in result.output
        assert not order.out.exists()


def test_three_lines_of_python_do_the_same_as_the_command(order, tmp_path):
    carry_out(*order())
    scans = {"T1w": order.study / "sub-01" / "anat" / "sub-01_T1w.nii.gz"}
    model = load_model(order.package)
    made = model.impute(scans, subject="sub-01")
    by_command = nib.load(order.out / "sub-01" / "anat" / "sub-01_desc-synth_T2w.nii.gz")
    np.testing.assert_array_equal(np.asarray(made.images["t2"].dataobj), np.asarray(by_command.dataobj))
    assert set(made.expected_errors) == {"t2", "flair"}
    assert made.light in ("green", "amber", "red") and made.summary
    written = made.save(tmp_path / "saved")
    assert all(path.is_file() for path in written) and len(written) == 6


def test_python_says_what_is_wrong_with_a_scan(order, put, tmp_path):
    bad = put(tmp_path / "bad.nii.gz", np.zeros((20, 20, 20), np.float32))
    with pytest.raises(InputError, match=r"bad\.nii\.gz"):
        load_model(order.package).impute({"t1": bad})
