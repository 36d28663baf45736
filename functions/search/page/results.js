/* The grid of results: matches, by month where they are in order of time, and the weaker matches that
   are folded below them. */

import { $, button, counted, drawable, element, nameOf, nearest, picture } from "./dom.js";
import { isNarrowed, labelOfMonth } from "./filters.js";
import { isByTime, isSearch, MIN_RELEVANCE } from "./query.js";
import { announce, on, state } from "./state.js";

const MAX_RESULTS = 1000;
const images = new WeakMap();   // the image of each item of the grid
const deleted = new Set();
let unfolded = false;

export const imageOf = (node) => images.get(node.closest("li"));
const strong = () => [...$("grid").querySelectorAll("li")];
const items = () => [...strong(), ...$("weak").children];
export const tiles = () => items().filter((item) => !item.hidden && (unfolded || item.parentNode !== $("weak"))).map((item) => item.firstChild);
export const shownImages = () => items().map((item) => images.get(item));
/** The tile of an image, or if that is hidden the nearest one that is shown; undefined without a tile. */
export function nearestTile(id) {
  const all = items(), at = all.findIndex((item) => images.get(item).id === id), shown = new Set(tiles());
  return at < 0 ? undefined : nearest(all.map((item) => item.firstChild), at, (tile) => shown.has(tile));
}
export const tileOf = (id) => tiles().find((tile) => imageOf(tile).id === id);
export const isFolded = () => !unfolded && $("weak").children.length > 0;
export const isUnfolded = () => unfolded;
export const resultCount = () => items().length;

export function clearResults() {
  unfolded = false;
  $("grid").replaceChildren();
  $("weak").replaceChildren();
  showCount();
}

export function addResults(found) {
  for (const image of found) (isWeak(image) ? $("weak") : gridOf(image)).append(itemOf(image));
  updateTabStop();
  showCount();
  announce("results");
}

/** The grid that an image follows in: that of its month, or one for all. Undated images come last. */
function gridOf(image) {
  const last = $("grid").lastElementChild, month = isByTime(state.query) ? monthOf(image) : "";
  if (last && last.dataset.month === month) return last.lastElementChild;
  // Without any date there are no headings.
  const title = month ? labelOfMonth(month) : last && "No date";
  const grid = element("ul", { class: "grid", "aria-label": title || "Images" });
  $("grid").append(element("div", { class: "month", "data-month": month }, ...(title ? [element("h2", { text: title })] : []), grid));
  return grid;
}

/* In UTC, as the API counts months. */
const monthOf = (image) => (image.taken_at || "").slice(0, 7);

/** Moves to a month that has been loaded; false if it has not. */
export function showMonth(month) {
  const group = $("grid").querySelector(`[data-month="${month}"]`);
  if (!group) return false;
  focusTile(group.querySelector(".hit"));
  group.scrollIntoView();
  return true;
}

const isWeak = (image) => typeof image.relevance === "number" && image.relevance < MIN_RELEVANCE;

function itemOf(image) {
  const name = nameOf(image);
  const link = element("a", { class: "hit", href: "?open=" + image.id, "data-key": image.key, tabindex: "-1", draggable: "true" });
  link.append(picture([image.thumbnail_url, drawable(image)], name, false, sourcesOf(image)), element("span", { class: "name", text: name, "aria-hidden": "true" }));
  if (image.score !== undefined) link.append(scoreOf(image));
  const item = element("li", {}, link,
    button("✓", { class: "tool pick", "aria-label": `Select ${name}`, "aria-pressed": "false", tabindex: "-1", title: "Select (x)" }),
    element("span", { class: "tune" },
      button("+", { class: "tool like", "aria-label": `More like ${name}`, tabindex: "-1", title: "More like this (+)" }),
      button("−", { class: "tool unlike", "aria-label": `Less like ${name}`, tabindex: "-1", title: "Less like this (-)" })));
  const ratio = image.width && image.height ? image.width / image.height : 1;
  item.style.setProperty("--ratio", Math.min(2.6, Math.max(.55, ratio)).toFixed(3));
  item.hidden = deleted.has(image.id);
  images.set(item, image);
  return item;
}

/** The thumbnails for screens of any density, whose longer sides have up to 320 and 640 pixels. */
function sourcesOf({ thumbnail_url: small, large_thumbnail_url: large, width, height }) {
  if (!small || !large) return {};
  const widthOf = (longest) => Math.round(width * Math.min(1, longest / Math.max(width, height)));
  const drawn = (row) => `${Math.round(1.2 * row * width / height)}px`;
  return { sizes: `(max-width: 640px) ${drawn(120)}, ${drawn(210)}`, srcset: `${small} ${widthOf(320)}w, ${large} ${widthOf(640)}w` };
}

function scoreOf(image) {
  const isCalibrated = typeof image.relevance === "number", cosine = image.score.toFixed(2);
  return element("span", {
    class: "score", text: isCalibrated ? `${Math.round(100 * image.relevance)} %` : cosine,
    title: isCalibrated ? `relevance; cosine similarity ${cosine}` : "cosine similarity",
  });
}

/** Hides images that will be deleted, or shows them again. */
export function hideImages(ids, hide) {
  for (const id of ids) (hide ? deleted.add(id) : deleted.delete(id));
  for (const item of items()) item.hidden = deleted.has(images.get(item).id);
  updateTabStop();
  showCount();
}

/* ---- count and folding ---- */

function showCount() {
  const shown = strong().filter((item) => !item.hidden).length, weak = $("weak").children.length;
  const isComplete = weak > 0 || !state.cursor;
  $("count").textContent = isSearch(state.query) && shown ? counted(shown, "match", "matches") + (isComplete ? "" : " so far") : "";
  $("weaker").hidden = !weak;
  $("weak").hidden = !unfolded;
  $("unfold").setAttribute("aria-expanded", String(unfolded));
  const total = weakTotal(shown, weak);
  const number = total === null ? "" : total.toLocaleString() + " ";
  $("unfold").textContent = `${unfolded ? "Hide" : "Show"} ${number}weaker match${total === 1 ? "" : "es"}`;
}

/** The number of weaker matches; null if the number of images that are searched is unknown. */
function weakTotal(shown, weak) {
  if (!state.cursor) return weak;
  if (isNarrowed(state.query) || !state.health) return null;
  const excluded = state.query.terms.filter((term) => term.id && term.weight > 0).length;
  return Math.max(weak, Math.min(MAX_RESULTS, state.health.images - excluded) - shown);
}

export function unfold(open = true) {
  unfolded = open;
  updateTabStop();
  showCount();
}

on("health", showCount);
$("unfold").addEventListener("click", () => { unfold(!unfolded); announce("unfolded"); });

/* ---- keyboard: the grid is one tab stop, and arrow keys move within it ---- */

function updateTabStop() {
  const all = tiles();
  if (!all.some((tile) => tile.tabIndex === 0) && all[0]) all[0].tabIndex = 0;
}

/** Whether a part of a tile, or the whole, is visible between what stays on the screen. */
export function isInView(tile, whole = false) {
  const { top, bottom } = tile.getBoundingClientRect();
  const page = getComputedStyle(document.documentElement), heightOf = (bar) => parseFloat(page.getPropertyValue(bar));
  const first = heightOf("--header") + parseFloat(getComputedStyle(tile).scrollMarginTop), last = innerHeight - heightOf("--footer");
  return whole ? top >= first && bottom <= last : bottom > first && top < last;
}
export const firstInView = () => tiles().find((tile) => isInView(tile, true)) || tiles().find((tile) => isInView(tile)) || tiles()[0];

/** Focuses a tile and scrolls to it; with `stay`, only if no part of it is visible. */
export function focusTile(tile, { stay = false } = {}) {
  if (!tile) return;
  for (const each of items()) each.firstChild.tabIndex = -1;
  tile.tabIndex = 0;
  tile.focus({ preventScroll: true });
  if (!stay || !isInView(tile)) tile.scrollIntoView({ block: "nearest" });
}

document.addEventListener("focusin", ({ target }) => {
  if (!target.matches(".hit") || target.tabIndex === 0) return;
  for (const each of items()) each.firstChild.tabIndex = each.firstChild === target ? 0 : -1;
});

const middle = (tile) => { const box = tile.getBoundingClientRect(); return { x: box.left + box.width / 2, y: box.top + box.height / 2, height: box.height }; };

/** The tile to which an arrow key, Home or End moves from another one. */
export function neighbor(tile, key) {
  const all = tiles(), at = all.indexOf(tile);
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "ArrowRight") return all[at + 1];
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  const from = middle(tile), down = key === "ArrowDown" ? 1 : -1;
  const distance = (each) => { const to = middle(each); return Math.abs(to.x - from.x) + 10 * Math.abs(to.y - from.y); };
  const beyond = all.filter((each) => down * (middle(each).y - from.y) > from.height / 2);
  return beyond.sort((a, b) => distance(a) - distance(b))[0];
}
