/* Example queries that work on this collection: of many candidates, those that match an image best. */

import { ask, send } from "./api.js";
import { $, button, counted } from "./dom.js";
import { go } from "./navigation.js";
import { isSearch } from "./query.js";
import { on, state } from "./state.js";
import { SUBJECTS } from "./subjects.js";

const SHOWN = 3, MAX_SEARCHES = 32, MIN_RELEVANCE = .5;
const STORED = "imagesearch-examples";
let chosen = null;   // {of, examples}

/** The candidates: labels of the index's own label sets first, then common subjects. */
async function candidates() {
  const { labelsets } = await ask("v1/labelsets", { background: true });
  const own = labelsets.length ? (await ask(`v1/labelsets/${labelsets[0].name}?limit=${MAX_SEARCHES}`, { background: true })).labels : [];
  return [...own, ...SUBJECTS].slice(0, 2 * MAX_SEARCHES);
}

async function matchesOf(texts) {
  const searches = texts.map((text) => ({ query: { text }, limit: 1, min_relevance: MIN_RELEVANCE }));
  const { results } = await send("v1/search/batch", { searches }, { background: true });
  return results.map(({ hits }, at) => ({ text: texts[at], hit: hits?.[0] })).filter(({ hit }) => hit?.relevance);
}

/** The texts with the most relevant hits, of different images. */
async function choose() {
  const texts = await candidates();
  const matches = [...await matchesOf(texts.slice(0, MAX_SEARCHES)), ...await matchesOf(texts.slice(MAX_SEARCHES))];
  matches.sort((a, b) => b.hit.relevance - a.hit.relevance);
  const seen = new Set();
  return matches.filter(({ hit }) => !seen.has(hit.id) && seen.add(hit.id)).slice(0, SHOWN).map(({ text }) => text);
}

async function update(health) {
  $("indexed").textContent = health.images ? `Search ${counted(health.images, "image")} by text or by example image.` : "";
  const of = `${health.index} ${health.images}`;
  if (chosen?.of === of || !health.images) return;
  chosen = JSON.parse(sessionStorage.getItem(STORED) || "null");
  if (chosen?.of !== of) {
    chosen = { of, examples: chosen?.examples || [] };
    try { chosen.examples = await choose(); } catch { return; }
    sessionStorage.setItem(STORED, JSON.stringify(chosen));
  }
  show();
}

function show() {
  const buttons = () => (chosen?.examples || []).map((text) => button(text, { class: "chip example", click: () => go({ text, terms: [], view: "" }) }));
  $("examples").replaceChildren(...buttons());
  $("suggested").replaceChildren(...buttons().filter((each) => each.textContent !== state.query.text));
  const isStart = !isSearch(state.query) && !state.query.view;
  $("welcome").hidden = !isStart;
  $("try").hidden = !$("examples").children.length;
}

on("health", update);
on("query", show);
