"""Archives as they come: unpacked once, wholly or not at all, and never outside their folder."""

import gzip
import io
import json
import os
import tarfile
import zipfile

import pytest

from mrisynth_pipeline.cohorts.archives import unpacking
from mrisynth_pipeline.cohorts.archives.unpacking import packed_archives, unpack
from mrisynth_pipeline.cohorts.errors import InputError

FILES = {"deep/a_T1.nii.gz": b"one" * 400, "./b.nrrd": b"two", "x.tfm": b"three", "p.tsv": b"four", "d.json": b"{}"}
REST = {"readme.txt": b"no scan", "._a.nii": b"of macOS", "code.py": b"", "deep/.hidden/c.nii": b""}
UNPACKED = ["b.nrrd", "d.json", "deep/a_T1.nii.gz", "p.tsv", "x.tfm"]


def write_tar(path, members, mode=None):
    with tarfile.open(path, mode or ("w:gz" if path.name.endswith("gz") else "w")) as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                file.addfile(info)
    return path


def write_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def write(path, members):
    return (write_zip if path.suffix == ".zip" else write_tar)(path, members)


def contents(folder):
    """Every file but the hidden marker."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".unpacked.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["IXI-T1.tar", "study.tar.gz", "study.tgz", "study.v2.zip"])
def test_scans_transforms_tables_and_sidecars_come_out_and_nothing_else(tmp_path, name):
    archive = write(tmp_path / name, FILES | REST)
    (folder,) = unpack([archive], tmp_path / "out")
    assert folder.name == {"IXI-T1.tar": "IXI-T1", "study.v2.zip": "study.v2"}.get(name, "study")
    assert contents(folder) == {name.removeprefix("./"): content for name, content in FILES.items()}
    assert sorted(contents(folder)) == UNPACKED
    assert archive.exists()


def test_what_is_unpacked_is_not_unpacked_again_until_the_archive_changes(tmp_path, monkeypatch):
    archive = write_tar(tmp_path / "a.tar", FILES)
    (folder,) = unpack([archive], tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(unpacking, "_tar_members", lambda *_: pytest.fail("unpacked again"))
        unpack([archive], tmp_path / "out")
    write_tar(archive, {"new.nii": b"new"})
    os.utime(archive, ns=(1, 1))
    unpack([archive], tmp_path / "out")
    assert contents(folder) == {"new.nii": b"new"}, "nothing of the earlier archive is left"


def test_a_killed_unpacking_leaves_nothing_to_be_read_and_starts_again(tmp_path, monkeypatch):
    archive = write_tar(tmp_path / "a.tar", FILES)
    original, written = unpacking._write, []

    def killed(content, path, size):
        if len(written) == 2:
            os._exit(9)
        written.append(path)
        original(content, path, size)

    child = os.fork()
    if child == 0:
        unpacking._write = killed
        try:
            unpack([archive], tmp_path / "out")
        finally:
            os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".a.unfinished"]
    (folder,) = unpack([archive], tmp_path / "out")
    assert sorted(contents(folder)) == UNPACKED
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


@pytest.mark.parametrize(
    "name", ["../out.nii", "deep/../../out.nii", "/tmp/out.nii", "deep\\..\\out.nii", "C:/out.nii"]
)
@pytest.mark.parametrize("kind", ["a.tar", "a.zip"])
def test_an_archive_that_reaches_out_of_its_folder_is_refused(tmp_path, kind, name):
    archive = write(tmp_path / kind, {"good.nii": b"", name: b"bad"})
    with pytest.raises(InputError, match=r"is unsafe: .*out\.nii.*would land outside"):
        unpack([archive], tmp_path / "deep" / "out")
    assert not list((tmp_path / "deep").rglob("*.nii"))
    assert not list(tmp_path.glob("*.nii"))


def test_links_and_devices_are_never_made(tmp_path):
    members = {
        "link.nii": (tarfile.SYMTYPE, "/etc/passwd"),
        "hard.nii": (tarfile.LNKTYPE, "../../x.nii"),
        "null.nii": (tarfile.CHRTYPE, ""),
        "folder": (tarfile.SYMTYPE, "/tmp"),
        "good.nii": b"good",
    }
    (folder,) = unpack([write_tar(tmp_path / "a.tar", members)], tmp_path / "out")
    assert contents(folder) == {"good.nii": b"good"}
    link = zipfile.ZipInfo("link.nii")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr(link, "/etc/passwd")
        file.writestr("good.nii", "good")
    (folder,) = unpack([tmp_path / "b.zip"], tmp_path / "out")
    assert contents(folder) == {"good.nii": b"good"}


@pytest.mark.parametrize("kind", ["a.tar.gz", "a.zip"])
def test_a_bomb_is_refused(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(unpacking, "_ALWAYS_ALLOWED_BYTES", 1000)
    archive = write(tmp_path / kind, {"zeros.nii": bytes(5_000_000)})
    with pytest.raises(InputError, match=r"more than 500 times its size"):
        unpack([archive], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_is_foreseen(tmp_path, monkeypatch):
    usage = unpacking.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"GB more to unpack, 0\.0 GB are free\. Make room"):
        unpack([write_tar(tmp_path / "a.tar", FILES)], tmp_path / "out")


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


@pytest.mark.parametrize("kind", ["a.tar", "a.tar.gz", "a.zip"])
@pytest.mark.parametrize("share", [0, 0.2, 0.5, 0.7])
def test_a_truncated_archive_is_named_with_the_remedy(tmp_path, kind, share):
    archive = write(tmp_path / kind, {f"{i}.nii": os.urandom(7000) for i in range(4)})
    cut(archive, share)
    with pytest.raises(InputError, match=rf"{kind}: is damaged or not whole.*Download it again"):
        unpack([archive], tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_tar_cut_between_two_members_is_not_taken_for_a_whole_one(tmp_path):
    archive = write_tar(tmp_path / "a.tar", {"1.nii": os.urandom(512), "2.nii": os.urandom(512)})
    archive.write_bytes(archive.read_bytes()[:1024])
    with pytest.raises(InputError, match=r"end marker is missing"):
        unpack([archive], tmp_path / "out")


def test_a_flipped_bit_is_found(tmp_path):
    archive = write_tar(tmp_path / "a.tar.gz", {"1.nii": os.urandom(5000)})
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1  # the checksum behind the last member
    archive.write_bytes(content)
    with pytest.raises(InputError, match=r"damaged or not whole"):
        unpack([archive], tmp_path / "out")


def test_something_else_under_an_archives_name_is_named(tmp_path):
    (tmp_path / "a.tar").write_text("<html>log in first</html>")
    with pytest.raises(InputError, match=r"a\.tar: is damaged or not whole"):
        unpack([tmp_path / "a.tar"], tmp_path / "out")
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(b"no tar" * 400))
    with pytest.raises(InputError, match=r"b\.tar\.gz: is damaged or not whole"):
        unpack([tmp_path / "b.tar.gz"], tmp_path / "out")


def test_archives_without_scans_are_passed_over_unless_there_are_no_others(tmp_path):
    code = write_zip(tmp_path / "code.zip", {"a.py": ""})
    scans = write_zip(tmp_path / "scans.zip", {"a.nii": "x"})
    assert unpack([code, scans], tmp_path / "out") == [tmp_path / "out" / "scans"]
    with pytest.raises(InputError, match=r"code\.zip: holds nothing to read"):
        unpack([code], tmp_path / "out")


def test_equal_names_with_other_endings_stay_apart(tmp_path):
    archives = [write(tmp_path / name, {"a.nii": name.encode()}) for name in ("a.tar", "a.zip")]
    folders = unpack(archives, tmp_path / "out")
    assert [contents(folder)["a.nii"] for folder in folders] == [b"a.tar", b"a.zip"]
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"a\.tar: two archives have this name"):
        unpack([archives[0], write_tar(tmp_path / "b" / "a.tar", FILES)], tmp_path / "out")


def test_only_folders_without_scans_are_searched_for_archives(tmp_path):
    archives = [write(tmp_path / name, FILES) for name in ("b.zip", "a.tar")]
    assert packed_archives(tmp_path) == sorted(archives)
    assert packed_archives(archives[0]) == archives[:1]
    (tmp_path / "scan.nii.gz").touch()
    assert packed_archives(tmp_path) == []
    assert packed_archives(tmp_path / "scan.nii.gz") == packed_archives(tmp_path / "nowhere") == []


def test_a_marker_that_is_none_is_not_believed(tmp_path):
    archive = write_tar(tmp_path / "a.tar", FILES)
    folder = tmp_path / "out" / "a"
    folder.mkdir(parents=True)
    (folder / ".unpacked.json").write_text("{")
    (folder / "old.nii").touch()
    unpack([archive], tmp_path / "out")
    assert sorted(contents(folder)) == UNPACKED
    assert json.loads((folder / ".unpacked.json").read_text())["archive"] == "a.tar"
