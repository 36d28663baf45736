/* Selection of several images, by click, Shift and keyboard, and what is done with them. */

import { deleteImages } from "./deletion.js";
import { $, copyText, counted, disable } from "./dom.js";
import { linkTo } from "./navigation.js";
import { complain, notify } from "./notices.js";
import { firstInView, focusTile, imageOf, nearestTile, tiles } from "./results.js";
import { on } from "./state.js";
import { saveZip } from "./zip.js";

const selected = new Map();   // images by id
let last = "";                // the image from which Shift extends the selection

const idOf = (tile) => imageOf(tile).id;

export function toggle(tile, extend = false) {
  const all = tiles(), from = all.findIndex((each) => idOf(each) === last);
  const select = !selected.has(idOf(tile));
  const at = all.indexOf(tile);
  const range = extend && from >= 0 ? all.slice(Math.min(from, at), Math.max(from, at) + 1) : [tile];
  for (const each of range) {
    if (extend || select) selected.set(idOf(each), imageOf(each));
    else selected.delete(idOf(each));
  }
  last = idOf(tile);
  show();
}

/** Extends the selection from a tile to the next one, or shrinks it on the way back. */
export function extend(from, to) {
  const all = tiles(), [start, end] = [all.indexOf(from), all.indexOf(to)];
  const range = all.slice(Math.min(start, end), Math.max(start, end) + 1);
  const isBack = range.every((tile) => selected.has(idOf(tile)));
  for (const tile of range) {
    if (!isBack) selected.set(idOf(tile), imageOf(tile));
    else if (tile !== to) selected.delete(idOf(tile));
  }
  last = idOf(to);
  show();
}

export function clearSelection() {
  selected.clear();
  show();
  last = "";
}

export const hasSelection = () => selected.size > 0;

export function selectAll() {
  for (const tile of tiles()) selected.set(idOf(tile), imageOf(tile));
  show();
}

function show() {
  for (const tile of document.querySelectorAll(".grid .hit")) {
    const isSelected = selected.has(idOf(tile));
    tile.closest("li").classList.toggle("selected", isSelected);
    tile.parentNode.querySelector(".pick").setAttribute("aria-pressed", String(isSelected));
  }
  document.body.classList.toggle("selecting", hasSelection());
  const hadFocus = $("selection").contains(document.activeElement);
  $("selection").hidden = !hasSelection();
  // The focus would be lost with the bar.
  if (hadFocus && !hasSelection()) focusTile(nearestTile(last) || firstInView());
  if (hasSelection()) $("selected").textContent = `${selected.size.toLocaleString()} selected`;
}

document.addEventListener("click", (event) => {
  const pick = event.target.closest(".pick");
  const link = event.target.closest(".hit");
  // While images are selected, a click on another one selects it too.
  const tile = pick ? pick.parentNode.querySelector(".hit") : (event.shiftKey || event.ctrlKey || event.metaKey || hasSelection()) && link;
  if (!tile || !tile.closest(".grid")) return;
  event.preventDefault();
  toggle(tile, event.shiftKey);
}, { capture: true });

on("results", show);
on("query", clearSelection);
on("deleted", (ids) => { ids.forEach((id) => selected.delete(id)); show(); });

const images = () => [...selected.values()];
async function copy(lines, noun) {
  await copyText(lines.join("\n"));
  notify(`${counted(lines.length, noun)} copied`);
}
$("copy-links").addEventListener("click", () => copy(images().map((image) => linkTo(image.id)), "link"));
$("copy-paths").addEventListener("click", () => copy(images().map((image) => image.key), "path"));
$("delete-selected").addEventListener("click", () => deleteImages(images()));
$("deselect").addEventListener("click", clearSelection);
$("zip").addEventListener("click", async () => {
  disable($("zip"));
  try {
    await saveZip(images(), (done) => { $("selected").textContent = `Downloading ${done} of ${selected.size}`; });
  } catch (error) {
    complain(error);
  }
  disable($("zip"), false);
  show();
});
