/* The change of the model: the offer of a better one, and its progress. */

import { ask } from "./api.js";
import { $, disable, inMegabytes } from "./dom.js";
import { refresh } from "./navigation.js";
import { announce } from "./state.js";

const NOTE = "The starter model covers everyday subjects; CLIP covers far more.";
const INSTRUCTIONS = "To switch, run imagesearch serve --model clip-vit-b-32, or set the stack parameter ModelName.";
const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const NEWS_MS = 60_000;
const STEPS = {
  downloading: (name) => `Downloading ${name}`,
  testing: (name) => `Testing ${name} on this computer`,
  indexing: (name) => `Indexing with ${name}. Searches use the previous model until it is complete.`,
};
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
  showText(news || (model === "starter" ? `${NOTE}${offer ? "" : " " + INSTRUCTIONS}` : ""), news ? "" : offer && `Use ${titleOf(offer.name)}${offer.installed ? "" : ` (${inMegabytes(offer.bytes)} MB)`}`);
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

function showText(text, button, failed = false) {
  // Screen readers announce the text when it changes, not the numbers.
  if ($("change-text").textContent !== text) $("change-text").textContent = text;
  $("change").hidden = !text;
  $("change").classList.toggle("failed", failed);
  $("change-progress").hidden = $("change-count").hidden = true;
  $("install").hidden = !button;
  $("install").textContent = button || "";
  $("install").title = offer && !offer.installed ? `Downloads ${inMegabytes(offer.bytes)} MB to ${offer.folder}` : "";
}

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
