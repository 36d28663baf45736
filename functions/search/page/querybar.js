/* The search box: text, image terms as chips with weights, and images that are chosen, pasted or dropped. */

import { ask, Failure } from "./api.js";
import { $, button, drawable, element, nameOf, opensDialog, picture } from "./dom.js";
import { storedImage, storeImage } from "./images.js";
import { acceptedTypes } from "./mediatypes.js";
import { go, refresh } from "./navigation.js";
import { complain } from "./notices.js";
import { OPINIONS, sameTerm } from "./query.js";
import { imageOf } from "./results.js";
import { on, state } from "./state.js";

const WEIGHTS = [[2, "much more"], [1, "more"], [.5, "slightly more"], [-.5, "slightly less"], [-1, "less"], [-2, "much less"]];
const TYPING_PAUSE_MS = 350;
const MAX_TERMS = 15;   // with the text 16, as the API allows

/* ---- display of the query ---- */

let shown = "", shownText = null;
on("query", () => {
  const { text, collection } = state.query;
  // The same query runs again while images are being indexed: what is being typed meanwhile stays.
  if (text !== shownText && (document.activeElement !== $("q") || $("q").value.trim() !== text)) $("q").value = text;
  shownText = text;
  document.title = text ? `${text} – Image search` : "Image search";
  $("q").placeholder = state.query.terms.length ? "Add text" : collection ? `Search in ${collection.split("/").pop()}` : "Describe an image, or drop one here";
  showClear();
  showTerms();
});

const showClear = () => { $("clear").hidden = !($("q").value || state.query.terms.length || state.query.view); };

function showTerms() {
  const { terms, like, unlike } = state.query, now = JSON.stringify([terms, like, unlike]);
  if (shown === now) return;
  shown = now;
  $("terms").replaceChildren(...terms.map(chipOf), ...OPINIONS.flatMap((name) => state.query[name].map((id) => opinionOf(name, id))));
}

function opinionOf(name, id) {
  const remove = button("✕", { click: () => { go({ [name]: state.query[name].filter((each) => each !== id) }); $("q").focus(); } });
  const chip = element("li", { class: "term" }, element("span", { class: "thumb" }), element("span", { class: "of", text: "image" }), remove);
  fill(chip, { id }, name === "like" ? "Good match" : "Bad match", remove);
  return chip;
}

function chipOf(term) {
  const chip = element("li", { class: "term" }, element("span", { class: "thumb" }), element("span", { class: "of", text: "image" }));
  const weight = element("select", { "aria-label": "Weight" }, ...WEIGHTS.map(([value, label]) => element("option", { value, text: label })));
  weight.value = String(term.weight);
  weight.addEventListener("change", () => setWeight(term, Number(weight.value)));
  const remove = button("✕", { "aria-label": "Remove", click: () => removeTerm(term) });
  chip.append(weight, remove);
  fill(chip, term, term.weight < 0 ? "Less like" : "Similar to", remove)
    .then((name) => name && weight.setAttribute("aria-label", `Weight of ${name}`));
  return chip;
}

async function fill(chip, term, prefix, remove) {
  try {
    const { urls, name } = await describe(term);
    chip.querySelector(".thumb").replaceChildren(picture(urls, "", true));
    chip.querySelector(".of").textContent = `${prefix} ${name}`;
    remove.setAttribute("aria-label", `Remove ${name}`);
    return name;
  } catch {
    return "";   // The search reports the error.
  }
}

async function describe(term) {
  if (term.url) return { urls: [], name: new URL(term.url).hostname };
  if (term.id) {
    const record = await ask("v1/images/" + encodeURIComponent(term.id), { background: true });
    return { urls: [record.thumbnail_url, drawable(record)], name: nameOf(record) };
  }
  const image = await storedImage(term.image);
  return { urls: [URL.createObjectURL(image)], name: image.name || "pasted image" };
}

/* ---- changes of the terms ---- */

const without = (term) => state.query.terms.filter((each) => !sameTerm(each, term));

function setWeight(term, weight) {
  const at = state.query.terms.findIndex((each) => sameTerm(each, term));
  go({ terms: state.query.terms.map((each, place) => (place === at ? { ...each, weight } : each)) });
  $("terms").children[at]?.querySelector("select").focus();   // of the new chip
}

function removeTerm(term) {
  go({ terms: without(term) });
  ($("terms").querySelector("button") || $("q")).focus();
}

/** Adds a term to the query, and keeps its text. */
function addTerm(term) {
  go({ terms: [...without(term), term].slice(-MAX_TERMS), view: "" });
}

/** Searches for images similar to one term alone. */
export function searchFor(term) {
  $("q").value = "";
  return go({ text: "", terms: [{ ...term, weight: 1 }], view: "" });
}

export const tune = (image, weight) => addTerm({ id: image.id, weight });

document.addEventListener("click", ({ target }) => {
  if (target.matches(".like")) tune(imageOf(target), 1);
  if (target.matches(".unlike")) tune(imageOf(target), -.5);
});

/* ---- text ---- */

let typing = 0;
let typed = false;   // one history entry while the user types: "back" returns to the search before

function searchText(whileTyping) {
  const text = $("q").value.trim();
  if (isAddress(text)) return whileTyping ? undefined : searchAddress(text);
  const replace = whileTyping ? typed : typed && state.query.text === text;
  typed = whileTyping;
  go({ text, view: "" }, replace);
}

$("q").addEventListener("input", () => {
  showClear();
  clearTimeout(typing);
  typing = setTimeout(() => { if ($("q").value.trim() !== state.query.text) searchText(true); }, TYPING_PAUSE_MS);
});
$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  if ($("q").value.trim() === state.query.text && state.query.terms.length) refresh();
  else searchText(false);
});
$("clear").addEventListener("click", () => {
  clearTimeout(typing);
  $("q").value = "";
  go({ text: "", terms: [], view: "" });
  $("q").focus();
});
addEventListener("popstate", () => { typed = false; });

/* ---- images and addresses ---- */

const isAddress = (text) => /^https?:\/\/\S+$/.test(text);

/** Searches for an image file alone; text that is typed afterwards joins it. */
export async function searchFile(file) {
  try {
    await searchFor({ image: await storeImage(file) });
  } catch (error) {
    complain(error);
  }
}

function searchAddress(url) {
  if (state.health && !state.health.allows.includes("urls")) {
    return complain(new Failure(0, {
      message: "This server does not fetch images from addresses.",
      hint: "Save the image and drop the file here, or copy the image itself and paste it.",
    }));
  }
  $("q").value = "";
  return searchFor({ url });
}

/** Searches for what was dropped or pasted: a file, an image of this page, a data URL, or an address. */
function searchTransfer(data) {
  const own = data.getData("application/x-imagesearch-id");
  if (own) return searchFor({ id: own });
  const file = [...data.files][0];
  if (file) return searchFile(file);
  const source = new DOMParser().parseFromString(data.getData("text/html"), "text/html").querySelector("img")?.src || "";
  if (source.startsWith("data:image/")) return searchFile(fileOfDataUrl(source));
  const address = [source, data.getData("text/uri-list").split(/\r?\n/)[0], data.getData("text/plain").trim()].find(isAddress);
  if (address) return searchAddress(address);
  return complain(new Failure(0, { message: "Not an image file.", hint: "Drop, paste or choose an image file from this computer." }));
}

function fileOfDataUrl(url) {
  const [head, data] = url.split(",", 2);
  const text = head.endsWith(";base64") ? atob(data) : decodeURIComponent(data);
  return new File([Uint8Array.from(text, (letter) => letter.charCodeAt(0))], "image", { type: /^data:([^;]+)/.exec(head)[1] });
}

$("choose").addEventListener("click", () => $("file").click());
$("file").accept = acceptedTypes;
$("file").addEventListener("change", () => { if ($("file").files[0]) searchFile($("file").files[0]); $("file").value = ""; });
document.addEventListener("paste", (event) => {
  const data = event.clipboardData;
  const isText = !data.files.length && !data.getData("text/html").includes("<img");
  if (isText && (event.target.closest("input, textarea") || !isAddress(data.getData("text/plain").trim()))) return;
  event.preventDefault();
  searchTransfer(data);
});
let depth = 0;
const showDrop = (change) => { depth = Math.max(0, depth + change); $("drop").hidden = depth === 0; };
document.addEventListener("dragenter", (event) => { event.preventDefault(); showDrop(1); });
document.addEventListener("dragleave", () => showDrop(-1));
document.addEventListener("dragover", (event) => event.preventDefault());
document.addEventListener("drop", (event) => {
  event.preventDefault();
  showDrop(-depth);
  if (opensDialog()) document.querySelectorAll("dialog[open]").forEach((dialog) => dialog.close());
  searchTransfer(event.dataTransfer);
});
