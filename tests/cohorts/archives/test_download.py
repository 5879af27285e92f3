"""Downloads from a server on this machine: whole, cut off, resumed, wrong, absent."""

import hashlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mrisynth_pipeline.cohorts.archives import download
from mrisynth_pipeline.cohorts.archives.download import IXI_FILES, Patience, download_ixi, fetch
from mrisynth_pipeline.cohorts.errors import InputError

CONTENT = bytes(range(256)) * 4096
MD5 = hashlib.md5(CONTENT).hexdigest()
PATIENCE = Patience(timeout_s=5, attempts=2, pause_s=0)


@dataclass
class Server:
    """What the server does, and what it was asked for."""

    url: str = ""
    ranges: bool = True
    cut_after: list[int] = field(default_factory=list)
    """Bytes after which each of the next connections is cut."""
    failures: list[int] = field(default_factory=list)
    """Status codes of the next answers."""
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    """Path and range of every request."""


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    behaviour = Server()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked = self.headers.get("Range")
            behaviour.asked.append((self.path, asked))
            if behaviour.failures:
                return self.send_error(behaviour.failures.pop(0))
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and behaviour.ranges else 0
            if start >= len(CONTENT):
                return self.send_error(416)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
            self.send_header("Content-Length", str(len(CONTENT) - start))
            self.end_headers()
            end = start + behaviour.cut_after.pop(0) if behaviour.cut_after else None
            self.wfile.write(CONTENT[start:end])
            return None

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        behaviour.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield behaviour
        running.shutdown()
        thread.join()


def get(server, folder, md5=MD5):
    return fetch(f"{server.url}/a.tar", folder / "a.tar", md5, PATIENCE)


def ranges(server):
    return [asked for _, asked in server.asked]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_comes_whole(server, tmp_path):
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["a.tar"]


def test_a_file_that_is_there_is_not_fetched(server, tmp_path):
    get(server, tmp_path)
    get(server, tmp_path)
    assert len(server.asked) == 1


def test_a_connection_that_is_cut_goes_on_where_it_was(server, tmp_path):
    server.cut_after = [100_000, 200_000, 300_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=100000-", "bytes=300000-", "bytes=600000-"]


def test_a_run_that_was_killed_goes_on_where_it_was(server, tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT[:5000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=5000-"]


def test_a_part_that_was_whole_already_is_only_checked(server, tmp_path):
    (tmp_path / "a.tar.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["a.tar"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cut_after = False, [100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == [None, "bytes=100000-"]


def test_the_part_of_another_file_costs_one_more_download(server, tmp_path):
    (tmp_path / "a.tar.part").write_bytes(b"something else" * 100)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert ranges(server) == ["bytes=1400-", None]


def test_a_wrong_sum_is_refused_and_nothing_is_kept(server, tmp_path):
    with pytest.raises(InputError, match=rf"md5 sum {MD5}, {'0' * 32} is right"):
        get(server, tmp_path, md5="0" * 32)
    assert names(tmp_path) == []
    assert len(server.asked) == 1


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.failures = [503, 503, 503]
    patience = Patience(timeout_s=5, attempts=4, pause_s=0)
    assert fetch(f"{server.url}/a.tar", tmp_path / "a.tar", MD5, patience).read_bytes() == CONTENT


def test_a_file_that_does_not_exist_is_not_asked_for_again(server, tmp_path):
    server.failures = [404]
    with pytest.raises(InputError, match=r"a\.tar: the server says 404.*by hand.*cohort\.raw_dir"):
        get(server, tmp_path)
    assert len(server.asked) == 1


def test_a_server_that_never_gets_anywhere_is_given_up_and_what_came_is_kept(server, tmp_path):
    server.cut_after = [1000, 0, 0, 0]
    with pytest.raises(InputError, match=r"no network, or the server does not answer.*ended early.*by hand"):
        get(server, tmp_path)
    assert ranges(server) == [None, "bytes=1000-", "bytes=1000-"]
    assert (tmp_path / "a.tar.part").read_bytes() == CONTENT[:1000]


def test_without_a_network_the_way_out_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        with pytest.raises(
            InputError, match=r"no network.*refused.*by hand on another machine and set cohort\.raw_dir"
        ):
            fetch(f"http://127.0.0.1:{closed.getsockname()[1]}/a.tar", tmp_path / "a.tar", MD5, PATIENCE)
    assert names(tmp_path) == []


def test_a_silent_server_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.tar"
        with pytest.raises(InputError, match=r"does not answer \(timed out\)"):
            fetch(url, tmp_path / "a.tar", MD5, Patience(timeout_s=0.1, attempts=2, pause_s=0))


def test_a_full_disk_is_foreseen(server, tmp_path, monkeypatch):
    usage = download.shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match=r"are to come, 0\.0 GB are free"):
        get(server, tmp_path)


def test_only_the_parts_of_ixi_that_are_missing_are_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "IXI_FILES", {name: (file, MD5) for name, (file, _) in IXI_FILES.items()})
    (tmp_path / "IXI-T1").mkdir()
    (tmp_path / "IXI-T1" / "IXI002-Guys-0828-T1.nii.gz").touch()
    assert download_ixi(tmp_path, ("t1", "t2"), server.url, PATIENCE) == [tmp_path / "IXI-T2.tar"]
    assert [path for path, _ in server.asked] == ["/IXI-T2.tar"]
    assert sorted(path.name for path in download_ixi(tmp_path, url=server.url)) == ["IXI-PD.tar", "IXI-T2.tar"]
    assert [path for path, _ in server.asked] == ["/IXI-T2.tar", "/IXI-PD.tar"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "IXI.tar").touch()
    with pytest.raises(InputError, match=r"IXI\.tar: is a file where a folder is expected"):
        download_ixi(tmp_path / "IXI.tar")
