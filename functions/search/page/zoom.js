/* Zoom and pan of the opened image, and swipes to its neighbors: wheel, double click, keys and fingers. */

import { $, isInViewer } from "./dom.js";

const MAX_SCALE = 8, STEP = 1.5, SWIPE_PIXELS = 60, PAN_PIXELS = 80;
const canvas = $("stage").querySelector(".canvas");
const pointers = new Map();
let scale = 1, x = 0, y = 0, from = null, swiped = () => {};

export const onSwipe = (listener) => { swiped = listener; };

export function resetZoom() {
  [scale, x, y] = [1, 0, 0];
  draw();
}

function draw() {
  const box = $("stage").getBoundingClientRect();
  const limit = (value, size) => Math.max(-(scale - 1) * size / 2, Math.min((scale - 1) * size / 2, value));
  [x, y] = [limit(x, box.width), limit(y, box.height)];
  canvas.style.transform = scale === 1 ? "" : `translate(${x}px, ${y}px) scale(${scale})`;
  $("stage").classList.toggle("zoomed", scale > 1);
}

/** Zooms by a factor, keeping the point of the screen in place. */
function zoom(by, clientX, clientY) {
  const box = $("stage").getBoundingClientRect();
  const next = Math.min(MAX_SCALE, Math.max(1, scale * by));
  const [dx, dy] = [clientX - box.left - box.width / 2, clientY - box.top - box.height / 2];
  x = dx - (dx - x) * next / scale;
  y = dy - (dy - y) * next / scale;
  scale = next;
  draw();
}

function zoomCenter(by) {
  const box = $("stage").getBoundingClientRect();
  zoom(by, box.left + box.width / 2, box.top + box.height / 2);
}

const isCropping = () => $("stage").classList.contains("cropping");
const spread = () => { const [a, b] = [...pointers.values()]; return Math.hypot(a.x - b.x, a.y - b.y); };

$("stage").addEventListener("wheel", (event) => {
  if (isCropping()) return;
  event.preventDefault();
  // A wheel turns by about 100 pixels or 3 lines; two fingers on a touchpad send Ctrl and a few pixels at a time.
  const pixels = event.deltaY * (event.deltaMode ? 33 : 1);
  zoom(Math.exp(-pixels / (event.ctrlKey ? 100 : 500)), event.clientX, event.clientY);
}, { passive: false });
$("stage").addEventListener("dblclick", (event) => {
  if (!isCropping()) zoom(scale > 1 ? 1 / MAX_SCALE : 2.5, event.clientX, event.clientY);
});
$("stage").addEventListener("pointerdown", (event) => {
  if (isCropping() || event.button) return;
  $("stage").setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  from = { x: event.clientX, y: event.clientY, alone: pointers.size === 1 };
});
$("stage").addEventListener("pointermove", (event) => {
  const last = pointers.get(event.pointerId);
  if (!last) return;
  const before = pointers.size === 2 ? spread() : 0;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  if (before) return zoom(spread() / before, event.clientX, event.clientY);
  if (scale === 1) return;
  x += event.clientX - last.x;
  y += event.clientY - last.y;
  draw();
});
function release(event) {
  if (!pointers.delete(event.pointerId) || event.type === "pointercancel") return;
  const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
  if (from.alone && scale === 1 && Math.abs(dx) > SWIPE_PIXELS && Math.abs(dx) > 2 * Math.abs(dy)) swiped(dx < 0 ? 1 : -1);
}
$("stage").addEventListener("pointerup", release);
$("stage").addEventListener("pointercancel", release);
document.addEventListener("keydown", (event) => {
  if (!isInViewer(event) || event.ctrlKey || event.metaKey || isCropping()) return;
  if (event.key === "z") zoomCenter(scale >= MAX_SCALE ? 1 / MAX_SCALE : STEP);
  if (event.key === "Z") zoomCenter(1 / STEP);
  const by = scale > 1 && event.shiftKey && { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
  if (!by) return;
  event.preventDefault();
  x += by[0] * PAN_PIXELS;
  y += by[1] * PAN_PIXELS;
  draw();
});
