/* Deletions that can be undone: the request is sent after some seconds, or when the page is left. */

import { ask } from "./api.js";
import { counted, nameOf } from "./dom.js";
import { complain, notify } from "./notices.js";
import { hideImages } from "./results.js";
import { announce } from "./state.js";

const UNDO_SECONDS = 8;
let pending = null;   // {images, timer}
const queue = [];     // images that can no longer be restored, until their requests are sent

/** Hides images now and deletes them unless the user undoes it. */
export function deleteImages(images) {
  commit();
  const ids = images.map((image) => image.id);
  hideImages(ids, true);
  announce("deleted", ids);
  pending = { images, timer: setTimeout(commit, UNDO_SECONDS * 1000) };
  const what = images.length === 1 ? nameOf(images[0]) : counted(images.length, "image");
  notify(`${what} deleted`, { action: undo, seconds: UNDO_SECONDS });
}

function undo() {
  if (!pending) return;
  clearTimeout(pending.timer);
  const ids = pending.images.map((image) => image.id);
  pending = null;
  hideImages(ids, false);
  announce("undeleted", ids);
}

const pathOf = (image) => "v1/images/" + encodeURIComponent(image.id);

async function commit() {
  if (!pending) return;
  clearTimeout(pending.timer);
  queue.push(...pending.images);
  pending = null;
  while (queue.length) await remove(queue.shift());
  announce("changed");
}

async function remove(image) {
  try {
    await ask(pathOf(image), { method: "DELETE", keepalive: true });
  } catch (error) {
    hideImages([image.id], false);
    announce("undeleted", [image.id]);
    complain(error);
  }
}

addEventListener("pagehide", () => {
  commit();
  // What follows an await does not run in a page that is left: the other requests are sent now.
  for (const image of queue.splice(0)) remove(image);
});
