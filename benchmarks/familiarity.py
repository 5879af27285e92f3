"""In what are subjects unlike the training subjects of a model?

python benchmarks/familiarity.py data/06_models/codebrain/model data/05_model_input --train a,b --new c,d
python benchmarks/familiarity.py … --new sub-01,sub-02 --others elsewhere/05_model_input
"""

import argparse
from pathlib import Path

from mrisynth_pipeline.evaluation.description import describe_subject, fit_familiarity
from mrisynth_pipeline.imaging.subject_file import SubjectStore
from mrisynth_pipeline.models.packaging import load_model


def main() -> None:
    """Print every finding of every new subject."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="model folder")
    parser.add_argument("prepared", type=Path, help="folder with subjects/ of the study it was trained on")
    parser.add_argument("--train", required=True, help="the subjects it was trained on, by commas")
    parser.add_argument("--new", required=True, help="whom to compare, by commas")
    parser.add_argument("--others", type=Path, help="where those are, if elsewhere")
    parser.add_argument("--count", type=int, default=8, help="most training subjects")
    arguments = parser.parse_args()
    method = load_model(arguments.model).network
    store = SubjectStore(arguments.prepared / "subjects")
    known = fit_familiarity(method, store, arguments.train.split(","), arguments.count)
    store = SubjectStore((arguments.others or arguments.prepared) / "subjects")
    for subject in arguments.new.split(","):
        file = store.open(subject)
        description = describe_subject(file.volumes(), file.mask(), file.metadata, method)
        findings = known.compare(description)
        warnings = sum(finding.severity == "warning" for finding in findings)
        print(f"{subject}: {warnings} warnings, {len(findings) - warnings} notes of {len(description)} numbers")
        for finding in findings:
            print(f"  {finding.severity:8}{finding.sentence}")


if __name__ == "__main__":
    main()
