"""A model as a MONAI bundle (https://docs.monai.io/en/stable/mb_specification.html).

The weights stay safetensors, where the specification has a pickled ``model.pt``: MONAI's own tools look for that file
only when they convert or publish a bundle, not when they run one.
"""

import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

from mrisynth_pipeline import __version__
from mrisynth_pipeline.exporting.card_text import (
    LICENCE,
    NOT_FOR_DIAGNOSIS,
    contrasts_of,
    readme,
    title_of,
    training_text,
)
from mrisynth_pipeline.exporting.reading import load_imputer
from mrisynth_pipeline.exporting.whole import appearing
from mrisynth_pipeline.models.packaging import CARD, WEIGHTS, TrainedModel

SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_HERE = "mrisynth_pipeline.exporting.bundle_parts"
_USE = """## As a MONAI bundle

```console
pip install mrisynth_pipeline fire pytorch-ignite
python -m monai.bundle run --config_file configs/inference.json --bundle_root . --dataset_dir SCANS --output_dir OUT
```

`SCANS` holds one folder per subject with `t1.nii.gz`, `t1c.nii.gz`, `t2.nii.gz`, … (at least one of the model's
contrasts), or subject files (`*.safetensors`) that this software prepared. Scans that share one space and are
skull-stripped: add `--preprocessing#registered True`. NIfTI scans need the preprocessing in the card, which packages
have. What a subject lacks is written to `OUT/<subject>/`, on the grid of its reference scan, in [0, 1].

`network_def` takes one tensor `[batch, modality, z, y, x]`; a contrast that is NaN throughout is missing.
"""


def write_bundle(model: Path, target: Path, overwrite: bool = False) -> Path:
    """Write a MONAI bundle that ``python -m monai.bundle run`` executes where this software is installed.

    Args:
        model: Folder of an imputer.
        target: The bundle's folder.
        overwrite: Whether it may replace what is there.

    Returns:
        The target.

    Raises:
        InputError: The model cannot be read, or the target cannot be written.
    """
    loaded = load_imputer(model)
    with appearing(target, overwrite) as folder:
        for name in ("configs", "models", "docs"):
            (folder / name).mkdir(parents=True)
        _write_json(folder / "configs" / "metadata.json", metadata(loaded))
        _write_json(folder / "configs" / "inference.json", inference())
        for name in (WEIGHTS, CARD):
            shutil.copyfile(model / name, folder / "models" / name)
        text = readme(loaded.card, target.name) + "\n" + _USE
        (folder / "docs" / "README.md").write_text(text, encoding="utf-8")
        (folder / "LICENSE").write_text(LICENCE + "\n", encoding="utf-8")
    return target


def metadata(model: TrainedModel) -> dict[str, Any]:
    """``metadata.json``: the keys that MONAI's specification asks for, and its usual optional ones."""
    card, contrasts = model.card, contrasts_of(model.card)
    size = card.get("grid", {}).get("size")
    image = {
        "type": "image",
        "format": "magnitude",
        "modality": "MR",
        "num_channels": len(contrasts),
        "spatial_shape": list(reversed(size)) if size else ["*", "*", "*"],
        "dtype": "float32",
        "value_range": [0, 1],
        "is_patch_data": False,
        "channel_def": {str(channel): contrast for channel, contrast in enumerate(contrasts)},
    }
    return {
        "schema": SCHEMA,
        "version": __version__,
        "changelog": {__version__: f"exported; trained {card.get('date', 'at an unknown date')}"},
        "monai_version": version("monai"),
        "pytorch_version": version("torch").split("+")[0],
        "numpy_version": version("numpy"),
        "required_packages_version": {
            "mrisynth_pipeline": __version__,
            "nibabel": version("nibabel"),
            "safetensors": version("safetensors"),
            "pytorch-ignite": "0.5.0",
        },
        "name": title_of(card),
        "task": "Imputation of missing brain MRI contrasts",
        "description": f"Imputes those of {', '.join(contrasts)} that a study lacks. {NOT_FOR_DIAGNOSIS}",
        "authors": "mrisynth_pipeline",
        "copyright": "See LICENSE",
        "intended_use": card.get("intended_use", NOT_FOR_DIAGNOSIS),
        "data_source": training_text(card),
        "data_type": "NIfTI",
        "eval_metrics": card.get("validation", {}),
        "network_data_format": {"inputs": {"image": image}, "outputs": {"pred": image}},
    }


def inference() -> dict[str, Any]:
    """``inference.json``: MONAI's evaluator around the door, and this software's preprocessing around that."""
    return {
        "imports": ["$import torch", f"$from {_HERE} import subjects_in"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "package": "$@bundle_root + '/models'",
        "network_def": {"_target_": f"{_HERE}.BundledImputer", "package": "@package"},
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": f"{_HERE}.Prepare", "package": "@package"},
        "dataset": {
            "_target_": "monai.data.Dataset",
            "data": "$subjects_in(@dataset_dir)",
            "transform": "@preprocessing",
        },
        "dataloader": {
            "_target_": "monai.data.DataLoader",
            "dataset": "@dataset",
            "batch_size": 1,
            "num_workers": 0,
        },
        "inferer": {"_target_": "monai.inferers.SimpleInferer"},
        "postprocessing": {"_target_": f"{_HERE}.SaveImputed", "package": "@package", "output_dir": "@output_dir"},
        "evaluator": {
            "_target_": "monai.engines.SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "run": ["$@evaluator.run()"],
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
