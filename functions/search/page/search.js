/* Runs the query of the page and loads further pages of its results. */

import { $, disable } from "./dom.js";
import { isNarrowed } from "./filters.js";
import { complain, say } from "./notices.js";
import { isSearch, requestPage } from "./query.js";
import { addResults, clearResults, focusTile, isFolded, tiles, unfold } from "./results.js";
import { announce, on, state } from "./state.js";

// Tab gets past the button: while it has the focus, results are loaded when it is pressed.
const nearEnd = new IntersectionObserver((seen) => { if (seen.at(-1).isIntersecting && document.activeElement !== $("more")) more(); }, { rootMargin: "600px" });
let running = null, loading = false;
export let failed = null;   // the error of the last search, until the next one
export const isLoading = () => loading;

export async function run() {
  stop();
  const mine = running = new AbortController();
  await load(mine, true);
}

/** Ends the current search, whose results are then ignored. */
export function stop() {
  running?.abort();
  running = null;
  failed = null;
  state.cursor = null;
  setLoading(false);
}

/** Loads the next page, unless it would have weaker matches only and these are folded. */
export async function more() {
  if (!state.cursor || loading || isFolded()) return;
  await load(running ||= new AbortController(), false);
}

async function load(mine, isNew) {
  const button = $("more"), isAsked = button.matches(":focus-visible");   // else it is near, and loads by itself
  setLoading(true);
  try {
    const response = await requestPage(state.query, isNew ? null : state.cursor, mine.signal);
    if (mine !== running) return;
    if (isNew) {
      complain(null);
      clearResults();
      state.searchId = "";
    }
    state.cursor = response.cursor;
    showLanguage(response.notice);
    const count = tiles().length;
    addResults((response.hits || response.images).filter((hit) => hit.url));
    // New results move the button off the screen.
    if (button.matches(":focus-visible")) isAsked ? focusTile(tiles()[count]) : button.scrollIntoView({ block: "nearest" });
    showEmptyState();
  } catch (error) {
    if (mine !== running || error.name === "AbortError") return;
    // The model has changed since the first page: its cursors are of no use.
    if (!isNew && error.code === "invalid_cursor") return run();
    if (isNew) clearResults();
    state.cursor = null;
    showLanguage("");
    failed = error;
    complain(error, run, error.code === "api_key" ? "Enter key" : "Try again");
  } finally {
    if (mine === running) setLoading(false);
  }
}

function setLoading(now) {
  loading = now;
  $("wait").classList.toggle("on", now);
  $("main").setAttribute("aria-busy", String(now));
  disable($("more"), now);
  $("more").hidden = !state.cursor || isFolded();
  if (!now) watchEnd();
}

/** Reports the button again where it is near already. */
function watchEnd() {
  nearEnd.unobserve($("more"));
  nearEnd.observe($("more"));
}

/** Restores results that were shown before, without a request. */
export function showAgain({ images, cursor, unfolded }) {
  stop();
  complain(null);
  showLanguage("");
  Object.assign(state, { cursor, searchId: "" });
  clearResults();
  addResults(images);
  unfold(unfolded);
  showEmptyState();
  setLoading(false);
}

function showLanguage(notice) {
  $("language").hidden = !notice;
  $("language").textContent = notice || "";
}

function showEmptyState() {
  const searched = isSearch(state.query), count = tiles().length;
  const [title, text] = $("empty").children;
  const narrowed = isNarrowed(state.query);
  title.textContent = searched ? "No good match" : narrowed ? "No images with these filters" : "No images yet";
  text.textContent = searched
    ? "Describe what the picture shows in other or fewer words, or search with an example image."
    : narrowed ? "" : "Add images to the folder or bucket of this index; they appear here within moments.";
  $("everywhere").hidden = !narrowed;
  $("empty").hidden = count > 0;
  $("suggestions").hidden = !searched && !narrowed;
  $("suggested").hidden = !searched;
  if (searched) say(count ? "" : "No good match");
  announce("drawn");
}

$("more").addEventListener("click", more);
$("more").addEventListener("blur", watchEnd);
on("unfolded", () => { showEmptyState(); setLoading(false); more(); });
