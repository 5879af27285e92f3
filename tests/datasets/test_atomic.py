"""A file is the old one or the new one, never half of one."""

import json
import re

import pandas as pd
import pytest

from mrisynth_pipeline.datasets.atomic import (
    CSVDataset,
    JSONDataset,
    OptionalJSONDataset,
    OptionalParquetDataset,
    TextDataset,
)

TABLE = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
CASES = [(CSVDataset, TABLE), (OptionalParquetDataset, TABLE), (JSONDataset, {"a": [1]}), (TextDataset, "text")]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_what_is_saved_comes_back_and_nothing_else_is_left(tmp_path, kind, data):
    dataset = kind(filepath=str(tmp_path / "new" / "file"))
    dataset.save(data)
    again = dataset.load()
    assert again.equals(data) if isinstance(data, pd.DataFrame) else again == data
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]


def test_a_failed_save_leaves_the_old_file(tmp_path):
    dataset = JSONDataset(filepath=str(tmp_path / "file.json"))
    dataset.save({"whole": True})
    with pytest.raises(Exception, match="serializable"):
        dataset.save({"a": 1, "b": object()})  # json has written half of it by then
    assert json.loads((tmp_path / "file.json").read_text()) == {"whole": True}
    assert [path.name for path in tmp_path.iterdir()] == ["file.json"]


def test_the_file_appears_under_its_name_only_when_it_is_whole(tmp_path, monkeypatch):
    path = tmp_path / "file.csv"
    seen = []
    original = pd.DataFrame.to_csv

    def watched(self, *args, **kwargs):
        result = original(self, *args, **kwargs)
        seen.append(path.exists())
        return result

    monkeypatch.setattr(pd.DataFrame, "to_csv", watched)
    CSVDataset(filepath=str(path)).save(TABLE)
    assert seen == [False]
    assert path.is_file()


def test_every_file_of_the_catalog_is_written_whole_or_not_at_all(project):
    pages = [path.read_text() for path in (project / "conf/base").glob("catalog*.yml")]
    types = re.findall(r"^ *type: (\S+)", "".join(pages), flags=re.MULTILINE)
    others = {kind for kind in types if not kind.startswith("mrisynth_pipeline.datasets.")}
    assert others == {"partitions.PartitionedDataset"}, "a folder of figures, each of which is"


def test_an_optional_file_need_not_be_there(tmp_path):
    dataset = OptionalJSONDataset(filepath=str(tmp_path / "file.json"))
    assert dataset.load() is None
    dataset.save({"a": 1})
    assert dataset.load() == {"a": 1}
