// The slice viewer: two volumes side by side, three planes each, one crosshair. Until it runs, the page shows still
// pictures; they stay where it cannot.
const viewer = document.getElementById("viewer");
const control = (name) => viewer.querySelector(`[data-control="${name}"]`);
const PIXELS_PER_NOTCH = 40; // of a wheel; a touchpad sends the same in many small parts

async function start() {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const size = data.shape.slice().reverse(); // x, y, z
  const extent = size.map((length, axis) => length * data.spacing[axis]); // mm
  const colours = await unpack(data.colours);
  const volumes = await Promise.all(data.volumes.map(async (entry) => ({
    label: entry.label,
    scan: { size, bytes: await unpack(entry.voxels) },
    error: entry.error ? { size, bytes: await unpack(entry.error) } : null,
  })));
  const middle = size.map((length) => Math.floor(length / 2));
  const state = { point: middle.slice() };
  const panes = [...viewer.querySelectorAll(".pane")].map((element) => new Pane(element));

  // Ends of the window in bytes.
  function greyWindow() {
    const width = 2.55 * control("window").value, level = 2.55 * control("level").value;
    return [level - width / 2, level + width / 2];
  }

  function moveTo(point) {
    state.point = point.map((index, axis) => within(index, size[axis]));
    redraw();
  }

  let waiting = false;
  function redraw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      for (const plane of Object.values(PLANES)) {
        const slider = control(plane.name.toLowerCase()), cut = state.point[plane.through];
        slider.value = cut;
        slider.setAttribute("aria-valuetext", `slice ${cut + 1} of ${size[plane.through]}`);
        slider.nextElementSibling.textContent = `${cut + 1} / ${size[plane.through]}`;
      }
      for (const name of ["window", "level", "opacity"]) {
        control(name).nextElementSibling.textContent = `${control(name).value} %`;
      }
      control("opacity").disabled = !panes.some((pane) => pane.volume.error);
      panes.forEach((pane) => pane.draw());
    });
  }

  function Pane(element) {
    const select = element.querySelector("select"), readout = element.querySelector(".readout");
    const planes = element.querySelector(".planes");
    const canvases = [...planes.querySelectorAll("canvas")];
    volumes.forEach((volume, number) => select.add(new Option(volume.label, number)));
    select.addEventListener("change", redraw);
    planes.style.gridTemplateColumns = `${extent[0]}fr ${extent[1]}fr`; // one scale for all three planes
    for (const canvas of canvases) {
      const plane = PLANES[canvas.dataset.plane];
      canvas.style.aspectRatio = `${extent[plane.across]} / ${extent[plane.up]}`;
      listen(canvas, plane);
      new ResizeObserver(redraw).observe(canvas);
    }
    Object.defineProperty(this, "volume", { get: () => volumes[select.value] });
    this.show = (number) => { select.value = number; };
    this.draw = () => {
      const { label, scan, error } = this.volume;
      const intensity = percent(byteAt(scan, state.point), 1);
      const doubt = error ? percent(byteAt(error, state.point), data.errorTop) : "none, this was scanned";
      readout.innerText = `At the crosshair\nIntensity: ${intensity}\nExpected error: ${doubt}`;
      canvases.forEach((canvas) => paint(canvas, PLANES[canvas.dataset.plane], this.volume));
    };
  }

  function paint(canvas, plane, { label, scan, error }) {
    const cut = state.point[plane.through], columns = size[plane.across], rows = size[plane.up];
    const [low, high] = greyWindow();
    const doubt = error && planeBytes(error, plane, cut);
    const pixels = coloured(planeBytes(scan, plane, cut), low, high, doubt, colours, control("opacity").value / 100);
    const picture = new OffscreenCanvas(columns, rows);
    picture.getContext("2d").putImageData(new ImageData(pixels, columns, rows), 0, 0);
    const ratio = window.devicePixelRatio || 1;
    const width = (canvas.width = Math.round(canvas.clientWidth * ratio));
    const height = (canvas.height = Math.round(canvas.clientHeight * ratio));
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0, width, height);
    if (control("crosshair").checked) {
      const x = (1 - (state.point[plane.across] + 0.5) / columns) * width;
      const y = (1 - (state.point[plane.up] + 0.5) / rows) * height;
      context.fillStyle = "rgba(255, 176, 0, 0.6)";
      context.fillRect(x - ratio / 2, 0, ratio, height);
      context.fillRect(0, y - ratio / 2, width, ratio);
    }
    context.fillStyle = "#fff";
    context.shadowColor = "#000";
    context.shadowBlur = 4 * ratio;
    context.font = `600 ${13 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    context.fillText(plane.left, 6 * ratio, height / 2);
    context.textAlign = "right";
    context.fillText(plane.right, width - 6 * ratio, height / 2);
    context.textAlign = "center";
    context.textBaseline = "top";
    context.fillText(plane.top, width / 2, 6 * ratio);
    const where = `${plane.name.toLowerCase()} slice ${cut + 1} of ${size[plane.through]}`;
    canvas.setAttribute("aria-label", `${label}, ${where}`);
  }

  function step(axis, by) {
    moveTo(state.point.map((index, other) => (other === axis ? index + by : index)));
  }

  function listen(canvas, plane) {
    const keys = {
      ArrowLeft: [plane.across, 1], ArrowRight: [plane.across, -1], ArrowUp: [plane.up, 1], ArrowDown: [plane.up, -1],
      PageUp: [plane.through, 1], PageDown: [plane.through, -1],
    };
    canvas.addEventListener("keydown", (event) => {
      if (!(event.key in keys)) return;
      event.preventDefault();
      step(...keys[event.key]);
    });
    let rolled = 0;
    canvas.addEventListener("wheel", (event) => {
      if (!viewer.contains(document.activeElement)) return; // the page scrolls on until somebody works with the viewer
      event.preventDefault();
      rolled += event.deltaY * (event.deltaMode ? PIXELS_PER_NOTCH : 1);
      const notches = Math.trunc(rolled / PIXELS_PER_NOTCH);
      rolled -= notches * PIXELS_PER_NOTCH;
      if (notches) step(plane.through, -notches);
    }, { passive: false });
    const point = (event) => {
      if (event.buttons === 2) {
        control("window").value = Number(control("window").value) + event.movementX / 2;
        control("level").value = Number(control("level").value) + event.movementY / 2;
        redraw();
      } else if (event.buttons) {
        const { width, height } = canvas.getBoundingClientRect();
        moveTo(pointIn(plane, size, state.point, event.offsetX / width, event.offsetY / height));
      }
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      point(event);
    });
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  function reset() {
    viewer.querySelectorAll("input").forEach((input) => {
      input.value = input.defaultValue;
      input.checked = input.defaultChecked;
    });
    panes.forEach((pane, number) => pane.show(data.firstShown[number]));
    moveTo(middle);
  }

  for (const plane of Object.values(PLANES)) {
    const slider = control(plane.name.toLowerCase());
    slider.max = size[plane.through] - 1;
    slider.addEventListener("input", () => step(plane.through, slider.value - state.point[plane.through]));
  }
  for (const name of ["window", "level", "opacity", "crosshair"]) control(name).addEventListener("input", redraw);
  control("reset").addEventListener("click", reset);
  document.documentElement.classList.add("interactive"); // the stylesheet shows the viewer in place of the stills
  reset();
  legend(colours);
}

// A byte as a share of the intensity range; `top` is the share at byte 255, at which what lies above was cut off.
function percent(byte, top) {
  return `${byte === 255 && top < 1 ? "at least " : ""}${((100 * top * byte) / 255).toFixed(1)} %`;
}

// The colour map, once across.
function legend(colours) {
  const canvas = viewer.querySelector(".legend canvas");
  if (!canvas) return;
  const context = canvas.getContext("2d");
  for (let byte = 0; byte < 256; byte++) {
    context.fillStyle = `rgb(${colours.slice(3 * byte, 3 * byte + 3).join()})`;
    context.fillRect(byte, 0, 1, 1);
  }
}

start();
