/* One image: large, with its metadata, neighbors, a link to share and a slideshow. */

import { ask, send } from "./api.js";
import { showLabels } from "./classification.js";
import { crop, endCrop } from "./crop.js";
import { deleteImages } from "./deletion.js";
import { $, copyText, disable, drawable, isEditing, isInViewer, nameOf, picture } from "./dom.js";
import { copies, focusCopy } from "./duplicates.js";
import { factsOf } from "./facts.js";
import { closeInHistory, go, linkTo, openedId, openInHistory } from "./navigation.js";
import { complain, notify } from "./notices.js";
import { drawPreview, preload } from "./previews.js";
import { isSearch, MAX_OPINIONS, OPINIONS, requestSearchId } from "./query.js";
import { searchFor, tune } from "./querybar.js";
import { focusTile, imageOf, tileOf, tiles } from "./results.js";
import { more } from "./search.js";
import { on, state } from "./state.js";
import { onSwipe, resetZoom } from "./zoom.js";

const SLIDE_MS = 4000;
let opened = null, playing = 0;
let openedIn = null;   // the query whose results the opened image is among
let isAddressCurrent = false;   // the address has changed already, and the viewer closes after it

on("open", (id) => {
  if (!id) {
    if ($("viewer").open) {
      isAddressCurrent = true;
      $("viewer").close();
    }
    return refine();
  }
  const tile = tileOf(id);
  if (tile) show(imageOf(tile));
  else if (opened?.id !== id || !$("viewer").open) fetchAndShow(id);
});

async function fetchAndShow(id) {
  try {
    const record = await ask("v1/images/" + encodeURIComponent(id));
    if (openedId() === id) show(record);
  } catch (error) {
    closeInHistory();
    complain(error);
  }
}

function show(image) {
  opened = image;
  endCrop();
  resetZoom();
  const canvas = $("stage").querySelector(".canvas");
  const large = picture([drawable(image), image.thumbnail_url], nameOf(image), true);
  if (image.thumbnail_url) large.style.backgroundImage = `url("${image.thumbnail_url}")`;
  large.addEventListener("load", () => large.decode().finally(() => { large.style.backgroundImage = ""; }));
  canvas.replaceChildren(large);
  drawPreview(image, canvas);
  $("name").textContent = nameOf(image);
  $("facts").replaceChildren(...factsOf(image));
  $("original").href = image.url;
  $("verdict").hidden = !isSearch(state.query) || !tileOf(image.id);
  showOpinion();
  showLabels(image);
  showNeighbors();
  openedIn = state.query;
  if (!$("viewer").open) $("viewer").showModal();
}

/* ---- neighbors ---- */

/** The images that the arrows show one after the other. */
const sequence = () => (state.query.view ? copies() : tiles().map(imageOf));
const placeOf = (all) => all.findIndex((image) => image.id === opened.id);

function showNeighbors() {
  const all = sequence(), at = placeOf(all);
  disable($("previous"), at <= 0);
  disable($("next"), at < 0 || at === all.length - 1);
  disable($("play"), at < 0);
  if (at > all.length - 4) more();
  const next = all[at + 1];
  if (at >= 0 && next) preload(next);
}

function turn(by) {
  const all = sequence(), image = placeOf(all) >= 0 && all[placeOf(all) + by];
  if (image) openInHistory(image.id);
  return Boolean(image);
}

function play(start) {
  clearInterval(playing);
  playing = start ? setInterval(() => turn(1) || play(false), SLIDE_MS) : 0;
  $("play").setAttribute("aria-pressed", String(start));
}

on("drawn", () => { if ($("viewer").open) showNeighbors(); });
onSwipe((by) => turn(by));
$("previous").addEventListener("click", () => turn(-1));
$("next").addEventListener("click", () => turn(1));
$("play").addEventListener("click", () => play(!playing));

/* ---- actions ---- */

$("similar").addEventListener("click", () => searchFor({ id: opened.id }));
$("like").addEventListener("click", () => tune(opened, 1));
$("unlike").addEventListener("click", () => tune(opened, -.5));
$("crop").addEventListener("click", () => { play(false); resetZoom(); crop(opened); });
$("share").addEventListener("click", async () => {
  await copyText(linkTo(opened.id));
  notify("Link copied");
});
$("delete").addEventListener("click", () => {
  const image = opened;
  const all = sequence(), at = placeOf(all);
  const next = all[at + 1] || all[at - 1];
  if (at >= 0 && next) openInHistory(next.id);
  else closeInHistory();
  deleteImages([image]);
});

$("verdict").addEventListener("click", async ({ target }) => {
  const thumb = target.closest("button");
  if (!thumb) return;
  const { id } = opened;
  try {
    const searchId = state.searchId ||= await requestSearchId(state.query);
    await send("v1/feedback", { search_id: searchId, id, relevant: thumb.value === "like" });
    rate(id, thumb.value);
    notify("Feedback saved");
  } catch (error) {
    notify(error.message);
  }
});

/* ---- opinions, which refine the search when the image is closed ---- */

let rated = null;   // {query, opinions}

const opinionsNow = () => (rated?.query === state.query ? rated.opinions : state.query);

function rate(id, field) {
  const opinions = {};
  for (const name of OPINIONS) {
    const others = opinionsNow()[name].filter((each) => each !== id);
    opinions[name] = (name === field ? [...others, id] : others).slice(-MAX_OPINIONS);
  }
  rated = { query: state.query, opinions };
  showOpinion();
}

function showOpinion() {
  for (const thumb of $("verdict").querySelectorAll("button")) {
    thumb.setAttribute("aria-pressed", String(opinionsNow()[thumb.value].includes(opened.id)));
  }
}

function refine() {
  const changes = rated?.query === state.query && rated.opinions;
  rated = null;
  if (changes) go(changes);
}

/* ---- opening and closing ---- */

document.addEventListener("click", (event) => {
  const link = event.target.closest(".hit");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  openInHistory(imageOf(link).id);
});
$("close").addEventListener("click", () => $("viewer").close());
$("viewer").addEventListener("click", (event) => { if (event.target === $("viewer")) $("viewer").close(); });
// The close event arrives late: "back" may have opened the viewer again, or be about to. The focus stays
// where the user has moved it, for example by "/" to the search field.
$("viewer").addEventListener("close", () => {
  const isChanged = isAddressCurrent;
  isAddressCurrent = false;
  if ($("viewer").open) return;
  play(false);
  endCrop();
  if (!isChanged) closeInHistory();
  const at = document.activeElement;
  if (openedIn !== state.query || at !== document.body && !at.closest(".grid")) return;
  if (state.query.view) focusCopy(opened.id);
  else focusTile(opened && tileOf(opened.id), { stay: true });
});
document.addEventListener("keydown", (event) => {
  if (!isInViewer(event) || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isEditing(event.target)) return;
  const actions = {
    ArrowLeft: () => turn(-1), ArrowRight: () => turn(1), s: () => play(!playing), c: () => $("crop").click(),
    l: () => $("share").click(), "+": () => $("like").click(), "-": () => $("unlike").click(),
    Delete: () => { if (!$("delete").hidden) $("delete").click(); },
  };
  actions[event.key]?.();
});
