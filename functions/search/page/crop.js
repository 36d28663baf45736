/* Search for a part of the opened image, chosen with the pointer or the arrow keys. */

import { $, disable, drawable, nameOf } from "./dom.js";
import { jpegOf } from "./images.js";
import { complain } from "./notices.js";
import { previewOf } from "./previews.js";
import { searchFile } from "./querybar.js";

const STEP = .02, SMALLEST = .05;
let image = null;
let box = { left: 0, top: 0, width: 1, height: 1 };   // shares of the displayed image
const frame = $("frame");

export function crop(chosen) {
  image = chosen;
  box = { left: .2, top: .2, width: .6, height: .6 };
  $("stage").classList.add("cropping");
  $("cropping").hidden = frame.hidden = false;
  draw();
  frame.focus();
}

export function endCrop() {
  image = null;
  $("stage").classList.remove("cropping");
  $("cropping").hidden = frame.hidden = true;
}

function cancel() {
  endCrop();
  $("crop").focus();
}

/** The rectangle of the image within the stage: it is scaled to fit. */
function shownArea() {
  const img = $("stage").querySelector("img"), stage = $("stage").getBoundingClientRect();
  const scale = Math.min(stage.width / img.naturalWidth, stage.height / img.naturalHeight);
  const [width, height] = [img.naturalWidth * scale, img.naturalHeight * scale];
  return { left: (stage.width - width) / 2, top: (stage.height - height) / 2, width, height, stage };
}

function draw() {
  const area = shownArea();
  Object.assign(frame.style, {
    left: area.left + box.left * area.width + "px", top: area.top + box.top * area.height + "px",
    width: box.width * area.width + "px", height: box.height * area.height + "px",
  });
}

function setBox(left, top, right, bottom) {
  const within = (value) => Math.min(1, Math.max(0, value));
  [left, top, right, bottom] = [left, top, right, bottom].map(within);
  box = { left, top, width: Math.max(SMALLEST, right - left), height: Math.max(SMALLEST, bottom - top) };
  box.left = Math.min(box.left, 1 - box.width);
  box.top = Math.min(box.top, 1 - box.height);
  draw();
}

/* ---- pointer and keys ---- */

let corner = null;
const shareOf = (event) => {
  const { left, top, width, height, stage } = shownArea();
  return { x: (event.clientX - stage.left - left) / width, y: (event.clientY - stage.top - top) / height };
};
$("stage").addEventListener("pointerdown", (event) => {
  if (!image || event.button) return;
  event.preventDefault();
  $("stage").setPointerCapture(event.pointerId);
  corner = shareOf(event);
});
$("stage").addEventListener("pointermove", (event) => {
  if (!image || !corner) return;
  const { x, y } = shareOf(event);
  setBox(Math.min(x, corner.x), Math.min(y, corner.y), Math.max(x, corner.x), Math.max(y, corner.y));
});
$("stage").addEventListener("pointerup", () => { corner = null; });
frame.addEventListener("keydown", (event) => {
  const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
  if (event.key === "Enter") searchPart();
  if (!by) return;
  event.preventDefault();
  const { left, top, width, height } = box, [dx, dy] = by;
  if (event.shiftKey) setBox(left, top, left + width + dx, top + height + dy);
  else setBox(Math.min(1 - width, Math.max(0, left + dx)), Math.min(1 - height, Math.max(0, top + dy)), left + dx + width, top + dy + height);
});
$("viewer").addEventListener("keydown", (event) => {
  if (!image || event.key !== "Escape") return;
  event.preventDefault();
  cancel();
});
addEventListener("resize", () => { if (image) draw(); });

/* ---- search ---- */

async function searchPart() {
  const { left, top, width, height } = box, chosen = image;
  disable($("crop-search"));
  try {
    const bitmap = await bitmapOf(chosen);
    const part = [left * bitmap.width, top * bitmap.height, width * bitmap.width, height * bitmap.height];
    const scale = Math.min(1, 1600 / Math.max(part[2], part[3]));
    await searchFile(await jpegOf(bitmap, part, scale, `part of ${nameOf(chosen)}`));
  } catch {
    $("viewer").close();
    complain({ message: "The part of this image could not be read.", hint: "Open the file, crop it in another program, and drop the result." });
  }
  disable($("crop-search"), false);
}

async function bitmapOf(chosen) {
  const preview = !drawable(chosen) && await previewOf(chosen).catch(() => null);
  if (preview) return createImageBitmap(preview);
  for (const url of [drawable(chosen), chosen.thumbnail_url].filter(Boolean)) {
    // Not from the cache: a response to an img element has no CORS headers.
    const response = await fetch(url, { cache: "reload" }).catch(() => null);
    const bitmap = response?.ok && await createImageBitmap(await response.blob()).catch(() => null);
    if (bitmap) return bitmap;
  }
  throw new Error("no readable image");
}

$("crop-search").addEventListener("click", searchPart);
$("crop-end").addEventListener("click", cancel);
