/* Keys of the page; those of the opened image are in viewer.js and zoom.js. */

import { undo } from "./deletion.js";
import { $, isEditing, opensDialog } from "./dom.js";
import { focusCopy } from "./duplicates.js";
import { openInHistory } from "./navigation.js";
import { tune } from "./querybar.js";
import { focusTile, imageOf, nearestTile, neighbor, tiles } from "./results.js";
import { more } from "./search.js";
import { clearSelection, extend, hasSelection, selectAll, toggle } from "./selection.js";
import { state } from "./state.js";

const MOVES = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];

function onTile(event, tile) {
  if (MOVES.includes(event.key)) {
    const next = neighbor(tile, event.key);
    if (next) {
      event.preventDefault();
      focusTile(next);
      if (event.shiftKey) extend(tile, next);
    }
    if (!next || tiles().indexOf(next) > tiles().length - 8) more();
  }
  if (event.key === "x" || event.key === " ") { event.preventDefault(); toggle(tile, event.shiftKey); }
  // A click would select the image.
  if (event.key === "Enter" && hasSelection() && !event.shiftKey) { event.preventDefault(); openInHistory(imageOf(tile).id); }
  if (event.key === "+") tune(imageOf(tile), 1);
  if (event.key === "-") tune(imageOf(tile), -.5);
  if (event.key === "Delete" && !$("delete-selected").hidden) {
    if (!hasSelection()) toggle(tile);
    $("delete-selected").click();
    focusTile(nearestTile(imageOf(tile).id));
  }
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  if (event.key === "?" && !isEditing(target) && !$("keys").open) return $("keys").showModal();
  if ((event.ctrlKey || event.metaKey) && event.key === "z" && !isEditing(target)) return undo();
  if (opensDialog()) return;
  if (event.key === "ArrowDown" && target === $("q") && (state.query.view || tiles()[0])) { event.preventDefault(); return focusFirst(); }
  if (isEditing(target)) return;
  if (event.key === "Escape") clearSelection();
  if ((event.ctrlKey || event.metaKey) && event.key === "a" && hasSelection()) { event.preventDefault(); selectAll(); }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") { event.preventDefault(); $("q").focus(); $("q").select(); }
  if (target.matches(".hit")) onTile(event, target);
});

function focusFirst() {
  if (state.query.view) focusCopy();
  else if (tiles()[0]) focusTile(tiles()[0]);
  else $("main").focus();
}

$("skip").addEventListener("click", (event) => { event.preventDefault(); focusFirst(); });
$("show-keys").addEventListener("click", () => $("keys").showModal());
