"use strict";
// Planes of a volume as pictures. A volume is { size: [x, y, z], bytes: Uint8Array }, x running fastest, indices
// growing to the patient's right, anterior and superior (RAS+). Nothing here knows the page.

// Radiological convention: seen from the feet or facing the patient, whose right is then on the left of the picture.
// `across`, `up` and `through` are axes (0 = x, 1 = y, 2 = z): of the picture's columns, its rows, and the cut.
const PLANES = {
  axial: { name: "Axial", across: 0, up: 1, through: 2, left: "R", right: "L", top: "A" },
  coronal: { name: "Coronal", across: 0, up: 2, through: 1, left: "R", right: "L", top: "S" },
  sagittal: { name: "Sagittal", across: 1, up: 2, through: 0, left: "A", right: "P", top: "S" },
};

// Bytes of a zlib stream in base64.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// Distance in `bytes` between neighbours along an axis.
function stride(size, axis) {
  return size.slice(0, axis).reduce((product, length) => product * length, 1);
}

function byteAt(volume, point) {
  return volume.bytes[point.reduce((sum, index, axis) => sum + index * stride(volume.size, axis), 0)];
}

// Bytes of one plane, row by row from the upper left corner. Every axis of a picture runs against its index: columns
// from right to left (or anterior to posterior), rows from anterior or superior down.
function planeBytes(volume, plane, cut) {
  const { size, bytes } = volume;
  const width = size[plane.across], height = size[plane.up];
  const stepAcross = stride(size, plane.across), stepUp = stride(size, plane.up);
  const start = cut * stride(size, plane.through);
  const picture = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    const line = start + (height - 1 - row) * stepUp;
    for (let column = 0; column < width; column++) {
      picture[row * width + column] = bytes[line + (width - 1 - column) * stepAcross];
    }
  }
  return picture;
}

// The point with the voxel at shares (from the left, from the top) of a picture in the place of what `point` has there.
function pointIn(plane, size, point, fromLeft, fromTop) {
  const moved = point.slice();
  for (const [axis, share] of [[plane.across, fromLeft], [plane.up, fromTop]]) {
    moved[axis] = within(Math.floor((1 - share) * size[axis]), size[axis]);
  }
  return moved;
}

function within(index, length) {
  return Math.min(Math.max(index, 0), length - 1);
}

// RGBA of a plane: grey between the ends of the window; over it, where there is one, the expected error in its colour,
// the fainter the smaller it is, so that the scan stays visible where there is little doubt.
function coloured(grey, low, high, error, colours, opacity) {
  const picture = new Uint8ClampedArray(4 * grey.length);
  const slope = 255 / Math.max(high - low, 1);
  for (let pixel = 0; pixel < grey.length; pixel++) {
    const level = Math.min(Math.max((grey[pixel] - low) * slope, 0), 255);
    const alpha = error ? opacity * Math.min(1, error[pixel] / 128) : 0;
    for (let channel = 0; channel < 3; channel++) {
      const colour = alpha ? colours[3 * error[pixel] + channel] : 0;
      picture[4 * pixel + channel] = (1 - alpha) * level + alpha * colour;
    }
    picture[4 * pixel + 3] = 255;
  }
  return picture;
}

// For tests outside a browser.
if (typeof module !== "undefined") module.exports = { PLANES, unpack, byteAt, planeBytes, pointIn, coloured };
