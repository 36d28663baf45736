/* The collections as chips. The API has no list of them: they are those of the first thousand images. */

import { ask } from "./api.js";
import { $, button } from "./dom.js";
import { go } from "./navigation.js";
import { shownImages } from "./results.js";
import { on, state } from "./state.js";

const MAX_CHIPS = 40, MAX_PAGES = 10;
const collections = new Set();

function collect({ key }) {
  const slash = key.indexOf("/");
  if (slash > 0) collections.add(key.slice(0, slash));
}

function show() {
  const { collection } = state.query;
  if (collection) collections.add(collection);
  const names = collections.size > 1 || collection ? ["", ...[...collections].sort()].slice(0, MAX_CHIPS) : [];
  const shown = [...$("chips").children].map((chip) => chip.dataset.name);
  if (shown.join("/") !== names.join("/")) $("chips").replaceChildren(...names.map(chipOf));
  for (const chip of $("chips").children) chip.setAttribute("aria-pressed", String(collection === chip.dataset.name));
}

const chipOf = (name) => button(name || "All", { class: "chip", "data-name": name, click: () => go({ collection: name, view: "" }) });

export async function gatherCollections() {
  const fields = { status: "indexed", limit: 100 };
  for (let page = 0; page < MAX_PAGES; page += 1) {
    let response;
    try { response = await ask("v1/images?" + new URLSearchParams(fields), { background: true }); } catch { return; }
    response.images.forEach(collect);
    if (!response.cursor) break;
    fields.cursor = response.cursor;
  }
  show();
}

on("query", show);
on("results", () => { shownImages().forEach(collect); show(); });
