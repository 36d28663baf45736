/* The panel of filters with counts, the filters in use as chips, the order, and the jump to a month.

   Counts are requested for opened sections once the results are drawn, and for others when the panel
   is pointed at. A section opens with its values, and does not shrink, so that nothing moves. */

import { $, button, element, shortPath } from "./dom.js";
import { dayOf, labelOfDates, labelOfMonth, textOf, toggled, VALUES, withDates } from "./filters.js";
import { go } from "./navigation.js";
import { isByTime, isSearch, orders, requestFacets } from "./query.js";
import { showMonth } from "./results.js";
import { on, state } from "./state.js";

const STORED = "imagesearch-filters";
const ORDERS = { "": "Best match", "-taken_at": "Newest first", taken_at: "Oldest first", key: "By name" };
const wide = matchMedia("(min-width: 1100px)");
export const isWide = () => wide.matches;

/* ---- opening and closing ---- */

function open(isShown) {
  document.body.classList.toggle("filtering", isShown);
  $("filters-toggle").setAttribute("aria-expanded", String(isShown));
  if (isShown) showCounts();
}

export function closePanel() {
  open(false);
  $("filters-toggle").focus();
}

const openByDefault = () => open(wide.matches && localStorage.getItem(STORED) !== "closed");
wide.addEventListener("change", openByDefault);
$("filters-toggle").addEventListener("click", () => {
  const isShown = !document.body.classList.contains("filtering");
  if (wide.matches) localStorage.setItem(STORED, isShown ? "open" : "closed");
  open(isShown);
});

/* ---- counts ---- */

const sections = () => [...$("filters").querySelectorAll("details[data-filter]")];
const isActive = (name) => Boolean(name === "date" ? state.query.filters.from || state.query.filters.to : state.query.filters[name]);
const answers = new Map();
let counted = "";   // the state of the index that `answers` are of

/** The counts for a filter: those of the images that match all other filters. */
function countsFor(name) {
  const except = isActive(name) ? name : "";
  const { view, sort, ...query } = state.query;
  const key = JSON.stringify([query, except]);
  if (!answers.has(key)) {
    const answer = requestFacets(state.query, except);
    answer.catch(() => answers.delete(key));
    answers.set(key, answer);
    if (answers.size > 20) answers.delete(answers.keys().next().value);
  }
  return answers.get(key);
}

async function showCounts() {
  if (state.query.view || !document.body.classList.contains("filtering")) return;
  await Promise.all(sections().filter((section) => section.open).map(showSection));
}

async function showSection(section) {
  const name = section.dataset.filter, { query } = state;
  const list = section.querySelector(".values");
  let facets;
  try {
    ({ facets } = await countsFor(name));
  } catch (error) {
    if (query === state.query) list.replaceChildren(element("li", { class: "none", text: error.message }));
    return;
  }
  if (query !== state.query) return;
  list.style.minHeight = section.open ? `${list.offsetHeight}px` : "";
  const focused = document.activeElement.closest?.(".values") === list ? document.activeElement.value : null;
  list.replaceChildren(...(name === "date" ? datesOf(facets) : valuesOf(name, facets[VALUES[name].facet])));
  if (focused !== null) [...list.querySelectorAll("button")].find((each) => each.value === focused)?.focus();
}

const choice = (text, count, value, isPressed, click, kind = "") => element("li", { class: kind },
  element("button", { type: "button", class: "value", value, "aria-pressed": String(isPressed), click },
    element("span", { class: "of", text }), element("span", { class: "number", text: count.toLocaleString() })));
const note = (text) => element("li", { class: "none", text });

function valuesOf(name, { values, others }) {
  const { label } = VALUES[name], chosen = state.query.filters[name] || [];
  const counts = new Map(values.map(({ value, count }) => [textOf(value), count]));
  for (const value of chosen) if (!counts.has(value)) counts.set(value, 0);
  const rows = [...counts].map(([value, count]) => choice(label(value), count, value, chosen.includes(value),
    () => go({ filters: toggled(state.query.filters, name, value) })));
  if (!rows.length) return [note("None recorded")];
  return others ? [...rows, note(`${others.toLocaleString()} with another value`)] : rows;
}

/** The years, and the months of the chosen year. */
function datesOf({ year: years, month: months }) {
  const { from = "", to = "" } = state.query.filters;
  const chosen = from.slice(0, 4) === to.slice(0, 4) ? from.slice(0, 4) : "";
  const pick = (period, otherwise = "") => {
    const isChosen = from === period && to === period, next = isChosen ? otherwise : period;
    return () => go({ filters: withDates(state.query.filters, { from: next, to: next }) });
  };
  const isPressed = (period) => from === period && to === period;
  const rows = years.values.flatMap(({ value: year, count }) => [
    choice(year, count, year, isPressed(year), pick(year)),
    ...(year !== chosen ? [] : months.values.filter(({ value }) => value.startsWith(year)).map(({ value: month, count: images }) => (
      choice(labelOfMonth(month), images, month, isPressed(month), pick(month, year), "inner")))),
  ]);
  return rows.length ? rows : [note("None recorded")];
}

const request = () => countsFor("").catch(() => { /* Reported where the section opens. */ });
for (const kind of ["pointerenter", "focusin"]) $("filters").addEventListener(kind, request);
for (const section of sections()) {
  section.querySelector("summary").addEventListener("click", async (event) => {
    if (section.open) return;
    event.preventDefault();
    await showSection(section);
    section.open = true;
  });
}

/* ---- dates ---- */

let typing = 0;
$("dates").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(setDates, 700);
});
$("dates").addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); setDates(); });

function setDates() {
  const { from = "", to = "" } = state.query.filters;
  const dates = { from: $("from").value, to: $("to").value };
  const isValid = (date) => !date || date >= "1000";
  if (!isValid(dates.from) || !isValid(dates.to)) return;
  if (dates.from !== dayOf(from, false) || dates.to !== dayOf(to, true)) go({ filters: withDates(state.query.filters, dates) });
}

/* ---- filters in use ---- */

function showActive() {
  const { filters, collection } = state.query, chips = [];
  const chip = (title, text, changes, short = text) => chips.push(element("button", {
    type: "button", class: "chip", "aria-label": `Remove the filter ${title}: ${text}`, title: `${title}: ${text}`, click: () => remove(changes),
  }, element("span", { class: "of", text: short }), " ✕"));
  if (collection) chip("Folder", collection, { collection: "" }, shortPath(collection));
  if (filters.from || filters.to) chip("Date", labelOfDates(filters), { filters: withDates(filters, {}) });
  for (const [name, { title, label }] of Object.entries(VALUES)) {
    for (const value of filters[name] || []) chip(title, label(value), { filters: toggled(filters, name, value) });
  }
  if (chips.length > 1) chips.push(button("Clear filters", { class: "chip", click: () => remove({ filters: {}, collection: "" }) }));
  $("active").replaceChildren(...chips);
  $("filters-toggle").querySelector(".number").textContent = chips.length > 1 ? chips.length - 1 : chips.length || "";
}

function remove(changes) {
  go(changes);
  [$("active").querySelector("button"), $("filters-toggle"), $("q")].find((each) => each?.checkVisibility()).focus();
}

$("everywhere").addEventListener("click", () => go({ collection: "", filters: {} }));

/* ---- order and months ---- */

$("sort").addEventListener("change", () => go({ sort: $("sort").value }));
$("jump").addEventListener("change", () => {
  const month = $("jump").value;
  $("jump").value = "";
  if (showMonth(month)) return;
  const isAscending = state.query.sort === "taken_at";
  go({ filters: withDates(state.query.filters, isAscending ? { from: month } : { to: month }) });
});

// An arrow key would select the next month at once, and could not go past it.
$("jump").addEventListener("keydown", (event) => {
  if (!["ArrowDown", "ArrowUp"].includes(event.key) || !$("jump").showPicker) return;
  event.preventDefault();
  $("jump").showPicker();
});

function showOrder() {
  const options = isSearch(state.query) ? ORDERS : { ...ORDERS, "": ORDERS["-taken_at"] };
  $("sort").replaceChildren(...["", ...orders(state.query)].map((value) => element("option", { value, text: options[value] })));
  $("sort").value = state.query.sort;
}

/** The months of the timeline; those that are not loaded yet are listed from there on. */
async function showMonths() {
  const { query } = state;
  let months = [];
  if (isByTime(query) && !query.view) {
    try { months = (await countsFor("date")).facets.month.values; } catch { /* The timeline works without. */ }
  }
  if (query !== state.query) return;
  $("jump").replaceChildren(element("option", { value: "", text: "Jump to …" }), ...months.map(({ value, count }) => (
    element("option", { value, text: `${labelOfMonth(value)} (${count.toLocaleString()})` }))));
  $("jump").classList.toggle("unneeded", months.length < 2);
}

on("query", () => {
  const { from = "", to = "" } = state.query.filters;
  $("from").value = dayOf(from, false);
  $("to").value = dayOf(to, true);
  showActive();
  showOrder();
  if (!isByTime(state.query)) $("jump").classList.add("unneeded");   // also if the search fails
});
on("drawn", () => { showCounts(); showMonths(); });
on("health", ({ images, index }) => {
  const of = `${index} ${images}`;
  if (counted && counted !== of) {
    answers.clear();
    showCounts();
  }
  counted = of;
});
openByDefault();
