"""The viewer's arithmetic, run by Node: what a page carries becomes the right pictures."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import mrisynth_pipeline.reporting
from mrisynth_pipeline.reporting.viewer_data import as_bytes, colours, pack

PLANES = Path(mrisynth_pipeline.reporting.__file__).parent / "templates" / "volume_planes.js"
CUTS = {"axial": 2, "coronal": 1, "sagittal": 4}


@pytest.fixture(scope="module")
def run():
    """Run a script with ``planes`` (the module) and ``given`` at hand; what it returns comes back."""
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "DecompressionStream"], capture_output=True).returncode:
        pytest.skip("there is no Node, or one older than 18")

    def call(script, **given):
        source = f"const planes = require({json.dumps(str(PLANES))}), given = {json.dumps(given)};"
        source += f"(async () => {{ {script} }})().then((value) => console.log(JSON.stringify(value)));"
        done = subprocess.run([node], input=source, capture_output=True, text=True, timeout=60, check=True)
        return json.loads(done.stdout)

    return call


@pytest.fixture(scope="module")
def volume():
    return np.random.default_rng(0).random((4, 5, 6)).astype(np.float32)


def test_planes_follow_the_radiological_convention(run, volume):
    """First row on top, first column on the left: every axis runs against its index, in every plane and voxel."""
    pictures = run(
        """const volume = { size: given.size, bytes: await planes.unpack(given.packed) };
        const picture = ([name, cut]) => [...planes.planeBytes(volume, planes.PLANES[name], cut)];
        return Object.entries(given.cuts).map(picture);""",
        size=volume.shape[::-1],
        packed=pack(as_bytes(volume)),
        cuts=CUTS,
    )
    for axis, (cut, picture) in enumerate(zip(CUTS.values(), pictures, strict=True)):
        expected = as_bytes(np.take(volume, cut, axis=axis))[::-1, ::-1]
        np.testing.assert_array_equal(np.reshape(picture, expected.shape), expected)


def test_the_letters_say_what_the_pictures_do(run):
    """Columns run against x, so the left edge is the patient's right; against y, so it is the front; rows likewise."""
    sides = {0: ("R", "L"), 1: ("A", "P")}
    tops = {1: "A", 2: "S"}
    for plane in run("return Object.values(planes.PLANES);"):
        assert (plane["left"], plane["right"]) == sides[plane["across"]]
        assert plane["top"] == tops[plane["up"]]
        assert {plane["across"], plane["up"], plane["through"]} == {0, 1, 2}


def test_a_click_finds_the_voxel_that_is_drawn_there(run, volume):
    found = run(
        """const volume = { size: given.size, bytes: await planes.unpack(given.packed) };
        return Object.entries(given.cuts).map(([name, cut]) => {
          const plane = planes.PLANES[name], picture = planes.planeBytes(volume, plane, cut);
          const width = volume.size[plane.across], height = volume.size[plane.up], wrong = [];
          for (let row = 0; row < height; row++) for (let column = 0; column < width; column++) {
            const start = [0, 0, 0];
            start[plane.through] = cut;
            const point = planes.pointIn(plane, volume.size, start, (column + 0.5) / width, (row + 0.5) / height);
            if (planes.byteAt(volume, point) !== picture[row * width + column]) wrong.push([row, column]);
          }
          return wrong;
        });""",
        size=volume.shape[::-1],
        packed=pack(as_bytes(volume)),
        cuts=CUTS,
    )
    assert found == [[], [], []]


def test_points_beyond_the_picture_stay_within_the_volume(run):
    points = run(
        """return [[-1, -1], [2, 2], [0, 1]].map(([left, top]) =>
          planes.pointIn(planes.PLANES.axial, [6, 5, 4], [0, 0, 3], left, top));"""
    )
    assert points == [[5, 4, 3], [0, 0, 3], [5, 0, 3]]


def test_the_window_stretches_greys_and_the_overlay_grows_with_error_and_opacity(run):
    packed = pack(colours())
    script = """const colours = await planes.unpack(given.packed), grey = Uint8Array.from([0, 64, 128, 192, 255]);
        const error = given.error && Uint8Array.from(given.error);
        return [...planes.coloured(grey, given.low, given.high, error, colours, given.opacity)];"""

    def pixels(**given):
        values = {"packed": packed, "low": 0, "high": 255, "error": None, "opacity": 0} | given
        return np.reshape(run(script, **values), (5, 4))

    assert pixels()[:, 0].tolist() == [0, 64, 128, 192, 255]
    assert pixels(low=64, high=192)[:, 0].tolist() == [0, 0, 128, 255, 255]
    covered = pixels(error=[0, 64, 128, 192, 255], opacity=1.0)
    assert covered[0, :3].tolist() == [0, 0, 0], "no error, no colour"
    np.testing.assert_array_equal(covered[2:, :3], colours()[[128, 192, 255]])
    half = (np.array([64, 64, 64]) + colours()[64].astype(int)) / 2
    np.testing.assert_allclose(covered[1, :3], half, atol=0.51)
    assert (covered[:, 3] == 255).all()
