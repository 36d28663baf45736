/* The change of the model: the offer of a better one, and its progress. */

import { ask } from "./api.js";
import { $, disable, element, inMegabytes } from "./dom.js";
import { refresh } from "./navigation.js";
import { announce } from "./state.js";

const NOTE = "CLIP covers far more", SUBJECTS = " than the everyday subjects of the starter model";
const INSTRUCTIONS = ". To switch, run imagesearch serve --model clip-vit-b-32, or set the stack parameter ModelName.";
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const NEWS_MS = 60_000, HIDDEN = "imagesearch-offer";
const STEPS = {
  downloading: (name) => `Downloading ${name}`,
  testing: (name) => `Testing ${name} on this computer`,
  indexing: (name) => `Indexing with ${name}. Searches use the previous model until it is complete.`,
};
const small = matchMedia("(max-width: 480px)");
let model = "", offer, news = "";

export const isChanging = (health) => Boolean(health.next_model) && health.next_model.state !== "failed";
const titleOf = (name) => (/^clip-vit-/.test(name) ? "CLIP" : name.slice(name.lastIndexOf("/") + 1));

export async function showModel(health) {
  if (model && model !== health.model) {
    news = `Now searching with ${titleOf(health.model)}`;
    setTimeout(() => { news = ""; }, NEWS_MS);
    offer = undefined;
    announce("model");
    if ($("viewer").open) $("viewer").addEventListener("close", refresh, { once: true });
    else refresh();
  }
  model = health.model;
  await findOffer();
  // The server can still report the change for a moment after it switched.
  const next = health.next_model;
  if (next && next.name !== model) { news = ""; return showChange(next); }
  if (news || model !== "starter") showText(news);
  else showOffer();
}

/** A better model, unless the user has hidden the offer or the screen is small: then a button of the status line shows it. */
function showOffer() {
  const isHidden = (localStorage.getItem(HIDDEN) || (small.matches ? "hidden" : "")) === "hidden";
  const size = offer && !offer.installed ? ` (${inMegabytes(offer.bytes)} MB)` : "";
  showText(isHidden ? "" : NOTE, offer && `Use ${titleOf(offer.name)}${size}`, false, SUBJECTS + (offer ? "" : INSTRUCTIONS));
  $("better").hidden = !isHidden;
  $("later").hidden = isHidden;
}

// Only a server on this computer offers a model, and only where the starter model is in use.
async function findOffer() {
  if (offer !== undefined || model !== "starter" || !LOOPBACK.includes(location.hostname)) return;
  try { ({ offer } = await ask("v1/models", { background: true })); } catch { offer = null; }
}

function showChange({ name, state, done, total, message }) {
  const failed = state === "failed";
  showText(failed ? message : STEPS[state](titleOf(name)), failed ? offer && "Try again" : "", failed);
  if (failed) return;
  $("change-progress").hidden = $("change-count").hidden = false;
  if (total) Object.assign($("change-progress"), { max: total, value: done });
  else $("change-progress").removeAttribute("value");
  const counts = {
    downloading: `${inMegabytes(done)} of ${inMegabytes(total || 0)} MB`,
    testing: `${Math.round(100 * done / (total || 1))} %`,
    indexing: `${done.toLocaleString()} of ${(total || 0).toLocaleString()} images`,
  };
  $("change-count").textContent = message || (total ? counts[state] : "");
}

/** Shows a text with a button, and `more` of it where there is room. */
function showText(text, button = "", failed = false, more = "") {
  // Screen readers announce the text when it changes, not the numbers.
  if ($("change-text").textContent !== text + more) $("change-text").replaceChildren(text, element("span", { class: "roomy", text: more }));
  $("better").hidden = $("later").hidden = true;
  $("change").hidden = !text;
  $("change").classList.toggle("failed", failed);
  $("change-progress").hidden = $("change-count").hidden = true;
  $("install").hidden = !button;
  $("install").textContent = button || "";
  $("install").title = offer && !offer.installed ? `Downloads ${inMegabytes(offer.bytes)} MB to ${offer.folder}` : "";
}

function hideOffer(isHidden) {
  localStorage.setItem(HIDDEN, isHidden ? "hidden" : "shown");
  showOffer();
  $(isHidden ? "better" : "later").focus();
}
$("later").addEventListener("click", () => hideOffer(true));
$("better").addEventListener("click", () => hideOffer(false));

$("install").addEventListener("click", async () => {
  disable($("install"));
  try {
    showChange(await ask(`v1/models/${encodeURIComponent(offer.name)}/install`, { method: "POST" }));
    announce("changed");
  } catch (error) {
    showText(error.message, "Try again", true);
  }
  disable($("install"), false);
});
