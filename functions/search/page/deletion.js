/* Deletions that can be undone: the request is sent after some seconds, or when the page is left. */

import { ask } from "./api.js";
import { counted, nameOf, opensDialog } from "./dom.js";
import { complain, isHeld, notify } from "./notices.js";
import { focusTile, hideImages, tileOf } from "./results.js";
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
  pending = { images, timer: setTimeout(expire, UNDO_SECONDS * 1000) };
  notify(`${titleOf(images)} deleted`, { undo, seconds: UNDO_SECONDS });
}

/** Sends the deletion once the focus has left the button "Undo". */
function expire() {
  if (isHeld()) pending.timer = setTimeout(expire, 1000);
  else commit();
}

const titleOf = (images) => (images.length === 1 ? nameOf(images[0]) : counted(images.length, "image"));

/** Shows the images of the last deletion again, unless it has been sent. */
export function undo() {
  if (!pending) return;
  const { images, timer } = pending;
  clearTimeout(timer);
  pending = null;
  const ids = images.map((image) => image.id);
  hideImages(ids, false);
  announce("undeleted", ids);
  notify(`${titleOf(images)} restored`);
  if (!opensDialog()) focusTile(tileOf(ids[0]), { stay: true });
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
