/* The state of the index, polled while the page is visible; a lost connection is restored. */

import { ask } from "./api.js";
import { $, counted, element } from "./dom.js";
import { loadFolders } from "./folders.js";
import { isChanging, showModel } from "./models.js";
import { refresh } from "./navigation.js";
import { isSearch, PAGE } from "./query.js";
import { showRejectedCount } from "./rejected.js";
import { resultCount } from "./results.js";
import { failed } from "./search.js";
import { hasSelection } from "./selection.js";
import { announce, on, state } from "./state.js";

const MIN_PAUSE_MS = 2000, MAX_PAUSE_MS = 30000;
let pause = MIN_PAUSE_MS, count = -1, gathered = false, timer = 0;

export async function watchState() {
  clearTimeout(timer);
  try {
    const health = await ask("v1/health", { background: true });
    state.health = health;
    showState(health);
    await showModel(health);
    announce("health", health);
    if (failed && (failed.status === 0 || failed.status >= 500)) refresh();
  } catch (error) {
    if (error.status !== 0) $("state").textContent = error.message;
    pause = MIN_PAUSE_MS;
  }
  clearTimeout(timer);
  timer = setTimeout(watchSoon, pause);
}

function showLost() {
  $("state").className = "lost";
  $("state").textContent = "Connection lost. Reconnecting …";
  pause = MIN_PAUSE_MS;
  clearTimeout(timer);
  timer = setTimeout(watchSoon, pause);
}

function watchSoon() {
  if (!document.hidden) return watchState();
  document.addEventListener("visibilitychange", watchNow, { once: true });
}

function watchNow() {
  pause = MIN_PAUSE_MS;
  return watchState();
}

function showState(health) {
  const isGrowing = count >= 0 && health.images !== count;
  if (health.images !== count) gathered = false;
  count = health.images;
  pause = isGrowing || isChanging(health) ? MIN_PAUSE_MS : Math.min(MAX_PAUSE_MS, pause * 1.5);
  $("state").className = isGrowing ? "growing" : "";
  const pending = health.lag ? health.lag.waiting + health.lag.in_flight : 0;
  const waiting = pending ? ` · ${counted(pending, "change")} waiting` : "";
  $("state").replaceChildren(counted(count, "image") + (isGrowing ? " so far" : ""), element("span", { class: "roomy", text: ` · model ${health.model}` }), waiting);
  const allows = (change) => health.allows.includes(change);
  $("add").hidden = !allows("uploads");
  $("delete").hidden = $("delete-selected").hidden = !allows("deletions");
  showRejectedCount(health.rejected);
  if (!isGrowing && !gathered) { gathered = true; loadFolders(); }
  const isList = !isSearch(state.query) && !state.query.view;
  if (isGrowing && isList && resultCount() < PAGE && !$("viewer").open && !hasSelection()) refresh();
}

on("changed", watchNow);
on("unreachable", () => { if ($("state").className !== "lost") showLost(); });
