"""The pages in a real browser, opened from disk: mouse, wheel, keys and controls do what the page says."""

import importlib.util
import shutil
from pathlib import Path

import pytest

from mrisynth_pipeline.reporting.impute_index import SubjectRow, index_page
from mrisynth_pipeline.reporting.quality_page import quality_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")

LABELS = "[...document.querySelectorAll('.pane:first-child canvas')].map((c) => c.getAttribute('aria-label'))"
SETTLED = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
AXIAL = "document.querySelector('.pane:first-child canvas[data-plane=axial]')"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = Path(__file__).with_name("browser.py")
    spec = importlib.util.spec_from_file_location("browser", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    opened = module.Browser(CHROMIUM, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(subject_view, tmp_path_factory):
    path = tmp_path_factory.mktemp("out") / "page.html"
    path.write_text(quality_page(subject_view), encoding="utf-8")
    return path


@pytest.fixture
def viewer(browser, page):
    """The page with its viewer running; no test may leave a complaint or have asked for another address."""
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(page, "document.documentElement.classList.contains('interactive')")
    browser.evaluate(SETTLED)
    yield browser
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith(("data:", page.as_uri()[:80]))] == []


def slices(browser):
    """1-based slice numbers of coronal, sagittal and axial plane, as a screen reader is told."""
    browser.evaluate(SETTLED)
    return [int(label.split(" slice ")[1].split(" of ")[0]) for label in browser.evaluate(LABELS)]


def set_to(browser, control, value):
    change = f"element.value = {value!r}; element.dispatchEvent(new Event('input', {{ bubbles: true }}));"
    browser.evaluate(f"{{ const element = document.querySelector('[data-control={control}]'); {change} }}")
    browser.evaluate(SETTLED)


def cut_the_block(browser):
    """Crosshair off, and the axial plane through the bright block of the subject."""
    browser.evaluate("document.querySelector('[data-control=crosshair]').click()")
    last = browser.evaluate("Number(document.querySelector('[data-control=axial]').max)")
    set_to(browser, "axial", last // 2 + 3)


def grey(browser, side, plane="axial", pane="first-child"):
    """Mean brightness of one half of a picture, crosshair off."""
    half = "0" if side == "left" else "c.width / 2"
    return browser.evaluate(
        f"""(() => {{ const c = document.querySelector('.pane:{pane} canvas[data-plane={plane}]');
        const d = c.getContext('2d').getImageData({half}, 0, c.width / 2, c.height).data;
        let sum = 0; for (let i = 0; i < d.length; i += 4) sum += d[i] + d[i + 1] + d[i + 2];
        return sum / d.length * 4 / 3; }})()"""
    )


def hue(browser, pane):
    """How far from grey the pictures of a pane are, at most."""
    return browser.evaluate(
        f"""Math.max(...[...document.querySelectorAll('.pane:{pane} canvas')].map((c) => {{
        const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        let most = 0; for (let i = 0; i < d.length; i += 4) most = Math.max(most, Math.abs(d[i] - d[i + 2]));
        return most; }}))"""
    )


def test_it_opens_in_the_middle_with_an_input_beside_an_imputed_contrast(viewer):
    labels = viewer.evaluate("[...document.querySelectorAll('canvas[data-plane]')].map((c) => c.ariaLabel)")
    assert [label.split(" slice")[0] for label in labels] == [
        *(f"T1, scanned, {plane}" for plane in ("coronal", "sagittal", "axial")),
        *(f"T1Gd, imputed, {plane}" for plane in ("coronal", "sagittal", "axial")),
    ]
    assert all(int(label.split()[-3]) == int(label.split()[-1]) // 2 + 1 for label in labels)


def test_the_patients_right_is_drawn_on_the_left(viewer):
    """The bright block lies right, in front and above."""
    cut_the_block(viewer)
    set_to(viewer, "window", 30)
    set_to(viewer, "level", 85)  # only the block is that bright
    assert grey(viewer, "left") > 2 * grey(viewer, "right")


def test_arrow_keys_and_page_keys_move_the_crosshair_of_both_volumes(viewer):
    coronal, sagittal, axial = slices(viewer)
    viewer.evaluate(f"{AXIAL}.focus()")
    for key in ("PageUp", "PageUp", "ArrowLeft", "ArrowDown"):
        viewer.press(key)
    # Left on the screen is the patient's right, where x grows; down is backwards.
    assert slices(viewer) == [coronal - 1, sagittal + 1, axial + 2]
    second = viewer.evaluate("document.querySelector('.pane:last-child canvas[data-plane=axial]').ariaLabel")
    assert f"slice {axial + 2} of" in second


def test_the_crosshair_stays_inside(viewer):
    viewer.evaluate(f"{AXIAL}.focus()")
    for _ in range(40):
        viewer.press("PageDown")
    assert slices(viewer)[2] == 1


def test_click_drag_and_wheel(viewer):
    viewer.evaluate(f"{AXIAL}.scrollIntoView({{ behavior: 'instant', block: 'center' }})")
    box = viewer.evaluate(f"(({{ x, y, width, height }}) => [x, y, width, height])({AXIAL}.getBoundingClientRect())")
    x, y, width, height = box
    before = slices(viewer)
    viewer.mouse("mouseWheel", x + width / 2, y + height / 2, deltaX=0, deltaY=-120)
    assert slices(viewer) == before, "the wheel belongs to the page until the viewer is used"
    viewer.evaluate(f"{AXIAL}.scrollIntoView({{ behavior: 'instant', block: 'center' }})")
    x, y, *_ = viewer.evaluate(f"(({{ x, y }}) => [x, y])({AXIAL}.getBoundingClientRect())")
    sizes = {name: viewer.evaluate(f"Number(document.querySelector('[data-control={name}]').max) + 1")
             for name in ("coronal", "sagittal")}  # fmt: skip
    button = {"button": "left", "buttons": 1, "clickCount": 1}
    viewer.mouse("mousePressed", x + 0.3 * width, y + 0.2 * height, **button)
    assert slices(viewer)[:2] == [int(0.8 * sizes["coronal"]) + 1, int(0.7 * sizes["sagittal"]) + 1]
    viewer.mouse("mouseMoved", x + 0.6 * width, y + 0.2 * height, **button)
    viewer.mouse("mouseReleased", x + 0.6 * width, y + 0.2 * height, **button)
    assert slices(viewer)[1] == int(0.4 * sizes["sagittal"]) + 1
    viewer.mouse("mouseWheel", x + width / 2, y + height / 2, deltaX=0, deltaY=-80)
    viewer.wait(f"!({LABELS})[2].includes('slice {before[2]} of')")
    assert slices(viewer)[2] == before[2] + 2


def test_the_overlay_colours_imputed_contrasts_alone_and_only_when_asked(viewer):
    cut_the_block(viewer)
    assert hue(viewer, "last-child") == 0
    set_to(viewer, "opacity", 100)
    assert hue(viewer, "last-child") > 60
    assert hue(viewer, "first-child") == 0


def test_another_contrast_and_reset(viewer):
    start = slices(viewer)
    viewer.evaluate(
        """{ const select = document.querySelector('.pane:last-child select');
        select.value = '3'; select.dispatchEvent(new Event('change')); }"""
    )
    set_to(viewer, "axial", 1)
    assert "FLAIR, imputed, axial slice 2" in viewer.evaluate(
        "document.querySelector('.pane:last-child canvas[data-plane=axial]').ariaLabel"
    )
    assert viewer.evaluate("document.querySelector('[data-control=opacity]').disabled"), "neither has an error map"
    viewer.evaluate("document.querySelector('[data-control=reset]').click()")
    assert slices(viewer) == start
    assert not viewer.evaluate("document.querySelector('[data-control=opacity]').disabled")


def test_the_readout_gives_intensity_and_expected_error(viewer):
    texts = viewer.evaluate("[...document.querySelectorAll('.readout')].map((p) => p.innerText)")
    assert "none, this was scanned" in texts[0]
    assert "Expected error: " in texts[1]
    assert texts[1].endswith(" %")


def test_voxels_keep_their_proportions(viewer):
    """Slices are twice as thick as the voxels are wide: the coronal picture shows it."""
    shape = viewer.evaluate("JSON.parse(document.getElementById('viewer-data').textContent).shape")
    ratio = viewer.evaluate(
        """(({ width, height }) => width / height)(
        document.querySelector('canvas[data-plane=coronal]').getBoundingClientRect())"""
    )
    assert ratio == pytest.approx(shape[2] / (2 * shape[0]), rel=0.02)


def test_without_script_the_stills_are_shown(browser, page):
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page, "document.querySelector('.stills img')?.complete")
        shown = "getComputedStyle(document.querySelector('{}')).display"
        assert browser.evaluate(shown.format(".viewer")) == "none"
        assert browser.evaluate(shown.format(".stills")) == "block"
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_the_index_sorts_by_a_heading_and_turns_round(browser, tmp_path):
    browser.complaints.clear()
    rows = [
        SubjectRow("s10", "green", ("t1",), ("t2",), 0, "s10.html", {"t2": 0.09}),
        SubjectRow("s9", "red", ("t1",), ("t2",), 12, "s9.html", {"t2": 0.1}),
        SubjectRow("s11", "amber", ("t1",), ("t2",), 3, "s11.html"),
    ]
    page = tmp_path / "index.html"
    page.write_text(index_page(rows), encoding="utf-8")
    browser.open(page, "document.readyState === 'complete'")
    order = "[...document.querySelectorAll('tbody th')].map((cell) => cell.innerText)"
    assert browser.evaluate(order) == ["s9", "s11", "s10"], "the doubtful first"

    def press(heading):
        browser.evaluate(
            f"[...document.querySelectorAll('thead button')].find((b) => b.innerText === {heading!r}).click()"
        )
        return browser.evaluate(order)

    assert press("Subject") == ["s9", "s10", "s11"]
    assert press("Subject") == ["s11", "s10", "s9"]
    assert press("Expected error, T2") == ["s10", "s9", "s11"]
    assert press("Expected error, T2") == ["s9", "s10", "s11"], "what is not known comes last in either order"
    assert press("Findings") == ["s10", "s11", "s9"]
    assert browser.complaints == []


def test_a_script_that_is_not_the_pages_own_cannot_run(browser, page, tmp_path):
    tampered = tmp_path / "page.html"
    text = page.read_text(encoding="utf-8").replace("<main>", "<main><script>window.foreign = 1</script>")
    tampered.write_text(text, encoding="utf-8")
    browser.open(tampered, "document.documentElement.classList.contains('interactive')")
    assert browser.evaluate("window.foreign === undefined")
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
