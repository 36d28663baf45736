/* Images in formats that browsers do not display: the server decodes them as previews of 1,600 pixels. */

import { askFile } from "./api.js";
import { drawable } from "./dom.js";

const KEPT = 12;
const previews = new Map();   // promises of blobs by image ID

/** The preview of an image as a blob. Raises Failure. */
export function previewOf(image) {
  if (!previews.has(image.id)) {
    const preview = askFile(`v1/images/${encodeURIComponent(image.id)}/preview`, "image/webp");
    preview.catch(() => previews.delete(image.id));
    previews.set(image.id, preview);
    if (previews.size > KEPT) previews.delete(previews.keys().next().value);
  }
  return previews.get(image.id);
}

/** Draws the preview in place of the thumbnail, unless `canvas` shows another image by then. */
export async function drawPreview(image, canvas) {
  if (drawable(image)) return;
  const shown = canvas.firstChild;
  const blob = await previewOf(image).catch(() => null);
  if (!blob || canvas.firstChild !== shown) return;
  const img = Object.assign(document.createElement("img"), { alt: shown.alt || "", draggable: false, src: URL.createObjectURL(blob) });
  img.addEventListener("load", () => URL.revokeObjectURL(img.src));
  shown.replaceWith(img);
}

/** Loads an image that is likely to be opened next. */
export function preload(image) {
  if (drawable(image)) new Image().src = image.url;
  else previewOf(image).catch(() => {});
}
