/* The history of the browser: each search and each opened image has an address.

   "Back" restores the results, their pages and the scroll position: from memory, or after a reload by
   loading as many results again. */

import { formatQuery, isSearch, parseQuery } from "./query.js";
import { focusTile, imageOf, isUnfolded, resultCount, shownImages, tileOf, unfold } from "./results.js";
import { isLoading, more, run, showAgain, stop } from "./search.js";
import { announce, on, state } from "./state.js";

// Presigned image URLs expire after some minutes.
const MAX_AGE_MS = 4 * 60_000;
const snapshots = new Map();
const newEntry = () => Math.random().toString(36).slice(2);
let entry = history.state?.entry || newEntry();

export const openedId = () => new URLSearchParams(location.search).get("open") || "";
/** The address of one image, to share. */
export const linkTo = (id) => new URL("?open=" + id, location.href.split(/[?#]/)[0]).href;

/** Starts another query, as a new entry of the history or instead of the current one. */
export function go(changes, replace = false) {
  remember(openedId());
  // Opinions are about the hits of one query.
  const reset = "text" in changes || "terms" in changes ? { like: [], unlike: [] } : {};
  const query = { ...state.query, ...reset, ...changes };
  // The orders of a search and of the list of all images differ.
  if (isSearch(query) !== isSearch(state.query)) query.sort = "";
  const address = formatQuery(query);
  if (!replace) entry = newEntry();
  history[replace ? "replaceState" : "pushState"]({ entry }, "", address);
  scrollTo(0, 0);
  return show(query);
}

/** Runs the query again, keeping the address. */
export const refresh = () => show(state.query);

async function show(query) {
  state.query = query;
  announce("query");
  announce("open", openedId());
  if (query.view) stop();
  else await run();
}

export function openInHistory(id) {
  const isOpen = Boolean(openedId());
  const address = formatQuery(state.query, id);
  if (isOpen) history.replaceState(history.state, "", address);
  else history.pushState({ entry, opened: true }, "", address);
  announce("open", id);
}

/** Removes the opened image from the address, by "back" where it has an entry of its own. */
export function closeInHistory() {
  if (!openedId()) return;
  if (history.state?.opened) return history.back();
  history.replaceState({ entry }, "", formatQuery(state.query));
  announce("open", "");
}

/* ---- restoring ---- */

/** Keeps what the current entry shows; `focused` is the ID of the image that gets the focus again. */
function remember(focused = "") {
  const at = document.activeElement;
  const place = { scroll: scrollY, loaded: resultCount(), unfolded: isUnfolded(), focused: at.matches(".hit") ? imageOf(at).id : focused };
  if (state.query.view || isLoading()) snapshots.delete(entry);
  else {
    snapshots.set(entry, { ...place, images: shownImages(), cursor: state.cursor, at: Date.now() });
  }
  try {
    sessionStorage.setItem("imagesearch-place-" + entry, JSON.stringify(place));
  } catch { /* The position is lost on reload. */ }
}

async function restore() {
  state.query = parseQuery(location.search);
  announce("query");
  const kept = snapshots.get(entry);
  const place = kept || JSON.parse(sessionStorage.getItem("imagesearch-place-" + entry) || "null");
  if (state.query.view) stop();
  else if (kept && Date.now() - kept.at < MAX_AGE_MS && kept.images.length) showAgain(kept);
  else await loadAgain(place);
  if (place) scrollTo(0, place.scroll);
  const at = document.activeElement;
  if (place?.focused && (at === document.body || at.matches(".hit"))) focusTile(tileOf(place.focused), { stay: true });
  announce("open", openedId());
}

async function loadAgain(place) {
  const mine = entry;
  await run();
  if (place?.unfolded) unfold();
  let count = -1;
  while (place && mine === entry && state.cursor && resultCount() < place.loaded && resultCount() > count) {
    count = resultCount();
    await more();
  }
}

on("model", () => snapshots.clear());
addEventListener("pagehide", () => remember());
addEventListener("popstate", (event) => {
  const next = event.state?.entry;
  if (next === entry) return announce("open", openedId());
  remember();
  entry = next || newEntry();
  restore();
});

export function start() {
  history.scrollRestoration = "manual";
  history.replaceState({ ...history.state, entry }, "");
  return restore();
}
