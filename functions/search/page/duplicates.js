/* Groups of duplicates, side by side, with the suggested original. */

import { ask } from "./api.js";
import { deleteImages } from "./deletion.js";
import { $, button, disable, drawable, element, folderOf, nameOf, nearest, opensDialog, picture, sizeOf } from "./dom.js";
import { go, openInHistory } from "./navigation.js";
import { complain } from "./notices.js";
import { on, state } from "./state.js";

const KINDS = { exact: "Identical files", near: "The same picture, edited", "raw+jpeg": "One shot, raw and developed" };
const images = new WeakMap();   // the image of each card
let cursor = null;
const shown = () => state.query.view === "duplicates";

on("query", () => {
  document.body.classList.toggle("in-duplicates", shown());
  $("duplicates").hidden = !shown();
  $("duplicates-title").textContent = state.query.collection ? `Duplicates in ${state.query.collection}` : "Duplicates";
  $("groups").replaceChildren();
  $("groups-more").hidden = true;
  cursor = null;
  if (shown()) load();
});

async function load() {
  $("wait").classList.add("on");
  disable($("groups-more"));
  try {
    const fields = { ...(state.query.collection && { collection: state.query.collection }), ...(cursor && { cursor }) };
    const page = await ask("v1/duplicates?" + new URLSearchParams(fields));
    if (!shown()) return;
    complain(null);
    $("groups").append(...page.groups.map(sectionOf));
    cursor = page.cursor;
    $("groups-none").hidden = $("groups").children.length > 0 || Boolean(cursor);
    $("groups-more").hidden = !cursor;
  } catch (error) {
    complain(error, load);
  }
  disable($("groups-more"), false);
  $("wait").classList.remove("on");
}

function sectionOf(group) {
  const more = group.size - group.images.length;
  const section = element("section", { class: "group" },
    element("h3", { text: `${KINDS[group.kind]} · ${group.size}` }),
    element("div", { class: "row" }, ...group.images.map((image) => cardOf(image, group))));
  if (more) section.append(element("p", { text: `and ${more} more` }));
  return section;
}

function cardOf(image, group) {
  const name = nameOf(image), isOriginal = image.id === group.original;
  const size = image.width ? `${image.width.toLocaleString()} × ${image.height.toLocaleString()} · ` : "";
  const link = element("a", { class: "copy", href: "?open=" + image.id, click: (event) => { event.preventDefault(); openInHistory(image.id); } }, picture([image.thumbnail_url, drawable(image)], name));
  const card = element("figure", { "data-id": image.id, "data-key": image.key }, link, element("figcaption", {},
    element("b", { text: name }), element("span", { text: folderOf(image) }),
    element("span", { text: `${size}${sizeOf(image.size)}` }),
    isOriginal && element("span", { class: "original", text: "Suggested original" })));
  card.append(button("Keep this one", {
    class: `keep pill ${isOriginal ? "main" : "line"}`, "aria-label": `Keep ${name} and delete the others`, hidden: !mayDelete(), click: () => keep(image, group),
  }));
  images.set(card, image);
  return card;
}

const cards = () => [...$("groups").querySelectorAll(".group:not([hidden]) figure:not([hidden])")];
/** The images that are shown, group by group. */
export const copies = () => cards().map((card) => images.get(card));

/** Focuses the card of an image, or the nearest one that is shown; without an ID, the first one. */
export function focusCopy(id) {
  const all = [...$("groups").querySelectorAll("figure")], shown = new Set(cards());
  const card = nearest(all, Math.max(0, all.findIndex((each) => each.dataset.id === id)), (each) => shown.has(each));
  (card?.querySelector("a") || $("show-duplicates")).focus();
}

const mayDelete = () => Boolean(state.health?.allows.includes("deletions"));
// The groups can be drawn before the state of the server is known.
on("health", () => { for (const each of $("groups").querySelectorAll(".keep")) each.hidden = !mayDelete(); });

const keep = (image, group) => deleteImages(group.images.filter((each) => each.id !== image.id));

/** Hides the cards of deleted images, and groups of which one image is left. */
function hide(ids, isHidden) {
  for (const card of $("groups").querySelectorAll("figure")) if (ids.includes(card.dataset.id)) card.hidden = isHidden;
  for (const group of $("groups").children) group.hidden = group.querySelectorAll("figure:not([hidden])").length < 2;
  // The focus would be lost with the card, or with the button of the notice.
  const at = document.activeElement;
  if (shown() && (at === document.body || at.closest("#groups [hidden]"))) focusCopy(ids[0]);
}
on("deleted", (ids) => hide(ids, true));
on("undeleted", (ids) => {
  hide(ids, false);
  if (shown() && !opensDialog()) focusCopy(ids[0]);
});
$("groups-more").addEventListener("click", async () => {
  const isByKey = $("groups-more").matches(":focus-visible"), count = cards().length;
  await load();
  if (isByKey) cards()[count]?.querySelector("a").focus();
});
$("show-duplicates").addEventListener("click", () => go({ view: shown() ? "" : "duplicates", text: "", terms: [], filters: {} }));
