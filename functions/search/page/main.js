/* Starts the page: the query of its address, then the state of the index. */

import "./querybar.js";
import "./viewer.js";
import "./selection.js";
import "./upload.js";
import "./duplicates.js";
import "./examples.js";
import "./filterpanel.js";
import "./keyboard.js";
import { uncoverFocus } from "./focus.js";
import { imageOf } from "./results.js";
import { watchState } from "./health.js";
import { start } from "./navigation.js";

// A hit can be dragged into the search box.
document.addEventListener("dragstart", (event) => {
  const tile = event.target.closest?.(".hit");
  if (tile) event.dataTransfer.setData("application/x-imagesearch-id", imageOf(tile).id);
});

// What sticks below the header starts at its height, and notices are above the footer.
for (const name of ["header", "footer"]) {
  const bar = document.querySelector(name);
  new ResizeObserver(() => {
    document.documentElement.style.setProperty(`--${name}`, `${bar.offsetHeight}px`);
    uncoverFocus();
  }).observe(bar);
}

start().then(watchState);
