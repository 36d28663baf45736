/* "What it shows": the opened image classified against a label set, or against common subjects. */

import { ask, send } from "./api.js";
import { $, element } from "./dom.js";
import { SUBJECTS } from "./subjects.js";

const SHOWN = 5;
let image = null, sets = null;

/** Classifies the image if the section is open. */
export function showLabels(opened) {
  image = opened;
  $("labels").replaceChildren();
  if ($("shows").open) classify();
}

async function classify() {
  const mine = image;
  $("labels").setAttribute("aria-busy", "true");
  try {
    if (!sets) await loadSets();
    const labels = $("labelset").value ? { labelset: $("labelset").value } : { labels: SUBJECTS };
    const result = await send("v1/classify", { id: mine.id, limit: SHOWN, ...labels });
    if (mine !== image) return;
    $("labels").replaceChildren(...result.labels.map(rowOf));
    // A phone shows few lines at a time.
    const details = $("shows").parentNode;
    details.scrollTop = $("shows").offsetTop - details.offsetTop;
  } catch (error) {
    if (mine === image) $("labels").replaceChildren(element("li", { text: error.message }));
  }
  $("labels").setAttribute("aria-busy", "false");
}

async function loadSets() {
  ({ labelsets: sets } = await ask("v1/labelsets"));
  $("labelset").append(...sets.map(({ name }) => element("option", { value: name, text: name })));
  if (sets.length) $("labelset").value = sets[0].name;
  $("labelset").hidden = !sets.length;
}

function rowOf({ label, score }) {
  const row = element("li", {}, element("span", { text: label }), element("span", { class: "share", text: `${Math.round(100 * score)} %` }));
  row.style.setProperty("--share", score);
  return row;
}

$("shows").addEventListener("toggle", () => { if ($("shows").open) classify(); });
$("labelset").addEventListener("change", classify);
