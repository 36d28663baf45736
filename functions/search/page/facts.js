/* The facts of an image: its size, its time, its place and its metadata. */

import { element, folderOf } from "./dom.js";
import { hasPlace, mapOf, textOfPlace } from "./place.js";

/** Metadata that comes from the file; other names are those of the owner. */
const NAMES = { camera: "Camera", lens: "Lens" };
const OFFSET = /^([+-])(\d\d):(\d\d)$/;

/** The time of the camera's clock, with its UTC offset if the file has one. */
function clockOf({ taken_at: taken, taken_offset: offset }) {
  if (!taken) return "";
  const [, sign, hours, minutes] = OFFSET.exec(offset || "") || [];
  const shift = sign ? (sign === "-" ? -1 : 1) * (60 * Number(hours) + Number(minutes)) : 0;
  const clock = new Date(Date.parse(taken) + 60_000 * shift).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });
  return sign ? `${clock} (UTC${offset})` : clock;
}

export function factsOf(image) {
  const facts = [
    ["Relevance", image.relevance?.toFixed(2)], ["Score", image.score?.toFixed(3)], ["Folder", folderOf(image)],
    ["Size", image.width && `${image.width.toLocaleString()} × ${image.height.toLocaleString()}`],
    ["Type", image.content_type], ["Taken", clockOf(image)], ["Place", hasPlace(image) && textOfPlace(image)],
    ...Object.entries(image.metadata || {}).map(([name, value]) => [NAMES[name] || name, value]),
  ];
  const rows = facts.filter(([, value]) => value).flatMap(([name, value]) => [element("dt", { text: name }), element("dd", { text: value })]);
  return hasPlace(image) ? [...rows, element("dd", { class: "place" }, mapOf(image))] : rows;
}
