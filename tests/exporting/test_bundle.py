"""A bundle is one that MONAI runs, on scans and on prepared subjects."""

import importlib.util
import json

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow, run

from mrisynth_pipeline.cohorts.errors import InputError
from mrisynth_pipeline.exporting.bundle import write_bundle
from mrisynth_pipeline.exporting.bundle_parts import BundledImputer, Prepare, subjects_in
from mrisynth_pipeline.exporting.shelf import resolve_model
from mrisynth_pipeline.imaging.parameters import PreprocessingParameters
from mrisynth_pipeline.models.door import impute_volume
from mrisynth_pipeline.models.packaging import CARD, load_card, load_model

needs_ignite = pytest.mark.skipif(importlib.util.find_spec("ignite") is None, reason="the extra bundle is missing")
REQUIRED = {  # of the specification; MONAI's JSON schema lies on the net
    "version",
    "monai_version",
    "pytorch_version",
    "numpy_version",
    "required_packages_version",
    "task",
    "description",
    "authors",
    "copyright",
    "network_data_format",
}
TENSOR = {
    "type",
    "format",
    "modality",
    "num_channels",
    "spatial_shape",
    "dtype",
    "value_range",
    "is_patch_data",
    "channel_def",
}


@pytest.fixture
def bundle(model, tmp_path):
    """Of a package: its card says how scans are prepared."""
    parameters = PreprocessingParameters(
        grid={"size": (20, 24, 16), "spacing_mm": (4.0, 4.0, 4.0)}, registration={"enabled": False}
    )
    card = load_card(model) | {"preprocessing": parameters.result_fields()}
    (model / CARD).write_text(json.dumps(card))
    return write_bundle(model, tmp_path / "bundle")


@pytest.fixture
def scans(tmp_path):
    """A skull-stripped subject without FLAIR."""
    generator = np.random.default_rng(0)
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, n) for n in (20, 24, 16)), indexing="ij")
    head = x**2 + y**2 + z**2 < 0.8
    folder = tmp_path / "scans" / "sub-1"
    folder.mkdir(parents=True)
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = -40
    for name in ("t1", "t2"):
        values = head * (300 + 100 * generator.random(head.shape))
        nib.save(nib.Nifti1Image(values.astype(np.float32), affine), folder / f"{name}.nii.gz")
    return folder.parent


def test_the_files_are_where_monai_looks_for_them(bundle):
    files = {path.relative_to(bundle).as_posix() for path in bundle.rglob("*") if path.is_file()}
    assert files == {
        "LICENSE",
        "configs/inference.json",
        "configs/metadata.json",
        "docs/README.md",
        "models/model_card.json",
        "models/weights.safetensors",
    }


def test_the_metadata_has_what_the_specification_asks_for(bundle):
    about = json.loads((bundle / "configs" / "metadata.json").read_text())
    assert set(about) >= REQUIRED
    for tensor in (about["network_data_format"]["inputs"]["image"], about["network_data_format"]["outputs"]["pred"]):
        assert set(tensor) == TENSOR
        assert tensor["spatial_shape"] == [16, 24, 20]
        assert tensor["channel_def"] == {"0": "t1", "1": "t2", "2": "flair"}
    assert "Not for diagnostic use" in about["description"]


@needs_ignite
def test_it_has_all_parts_of_an_inference_workflow(bundle, scans):
    configs = bundle / "configs"
    workflow = ConfigWorkflow(
        configs / "inference.json",
        workflow_type="infer",
        logging_file=False,
        bundle_root=str(bundle),
        dataset_dir=str(scans),
    )
    workflow.initialize()
    assert not workflow.check_properties()


@needs_ignite
def test_monai_runs_it_on_scans(bundle, scans, tmp_path):
    run(
        config_file=str(bundle / "configs" / "inference.json"),
        bundle_root=str(bundle),
        dataset_dir=str(scans),
        output_dir=str(tmp_path / "out"),
        **{"preprocessing#registered": True},
    )
    files = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.nii.gz"))
    assert [path.as_posix() for path in files] == ["sub-1/sub-1_flair_imputed.nii.gz"]
    image = nib.load(tmp_path / "out" / files[0])
    scan = nib.load(scans / "sub-1" / "t2.nii.gz")
    np.testing.assert_allclose(image.affine, scan.affine)
    assert b"Not for diagnostic use" in image.header["descrip"].item()

    item = Prepare(bundle / "models", registered=True)(subjects_in(scans)[0])
    assert item["image"][2].isnan().all()
    network = load_model(bundle / "models").network
    expected = impute_volume(network, item["image"], torch.tensor([True, True, False]))[2] * item["mask"]
    assert expected.std() > 0
    # The model's grid and the scan's have the same voxels, so that nothing is interpolated on the way back.
    np.testing.assert_allclose(image.get_fdata().transpose(2, 1, 0), expected.numpy(), atol=1e-4)


def test_nan_says_what_is_missing(bundle):
    network = BundledImputer(bundle / "models")
    images = torch.rand(2, 3, 16, 24, 20, generator=torch.Generator().manual_seed(0))
    images[0, 1] = images[1, 0] = torch.nan
    imputed = network(images)
    for made, volumes, available in zip(imputed, images, ([1, 0, 1], [0, 1, 1]), strict=True):
        assert torch.equal(made, impute_volume(network.method, volumes, torch.tensor(available, dtype=torch.bool)))


def test_a_bundle_is_a_model_to_the_other_commands(bundle, data):
    assert resolve_model(str(bundle), data) == bundle / "models"


def test_scans_need_the_preprocessing_of_a_package(bundle, scans):
    card = load_card(bundle / "models")
    del card["preprocessing"]
    (bundle / "models" / CARD).write_text(json.dumps(card))
    with pytest.raises(InputError, match="does not say how scans are prepared"):
        Prepare(bundle / "models")(subjects_in(scans)[0])


def test_a_folder_without_subjects(tmp_path):
    with pytest.raises(InputError, match="holds neither folders of NIfTI scans nor prepared subject files"):
        subjects_in(tmp_path / "nowhere")
