/* The folders as a tree. A level is loaded when it is opened, page by page; the tree is one tab stop. */

import { ask } from "./api.js";
import { $, element } from "./dom.js";
import { closePanel, isWide } from "./filterpanel.js";
import { go } from "./navigation.js";
import { on, state } from "./state.js";

const PAGE = 100;
const tree = $("folders");

const nodes = () => [...tree.querySelectorAll("[role=treeitem]")].filter((node) => !node.parentNode.closest("[aria-expanded=false]"));
const nodeOf = (path) => [...tree.querySelectorAll("[data-path]")].find((node) => node.dataset.path === path);
const parentOf = (node) => node.parentNode.closest("[role=treeitem]");
const isOpen = (node) => node.getAttribute("aria-expanded") === "true";

/* ---- loading ---- */

/** Loads the tree again, with the same levels open. */
export async function loadFolders() {
  const open = [...tree.querySelectorAll("[aria-expanded=true]")].map((node) => node.dataset.path);
  const root = element("ul");
  await loadLevel(root, "", 0).catch(() => {});
  const count = root.querySelectorAll("[data-path]").length;
  $("folder-facet").hidden = !count && !state.query.collection;
  if (!count) return tree.replaceChildren();
  tree.replaceChildren(nodeFor({ collection: "", images: state.health?.images }, 1), ...root.children);
  for (const path of open) if (nodeOf(path)) await expand(nodeOf(path));
  await reveal();
}

/** Appends one page of the folders below `parent`, and a node that loads the next page. */
async function loadLevel(list, parent, level, cursor = null) {
  const fields = { limit: PAGE, ...(parent && { parent }), ...(cursor && { cursor }) };
  const page = await ask("v1/collections?" + new URLSearchParams(fields), { background: true });
  const added = page.collections.map((each) => nodeFor(each, level + 1));
  list.append(...added);
  if (page.cursor) {
    const more = nodeFor({ name: "More folders" }, level + 1);
    more.load = () => { more.remove(); return loadLevel(list, parent, level, page.cursor); };
    list.append(more);
  }
  return added;
}

function nodeFor({ collection, images, nested, name }, level) {
  const text = name || collection?.slice(collection.lastIndexOf("/") + 1) || "All images";
  const count = images?.toLocaleString();
  return element("li", {
    role: "treeitem", tabindex: "-1", "aria-level": level, "data-path": collection, "aria-expanded": nested && "false",
    "aria-selected": collection !== undefined && "false", "aria-label": count ? `${text}, ${count}` : text,
  }, element("span", { class: "folder", title: collection || undefined },
    element("span", { class: "twist", "aria-hidden": "true" }), element("span", { class: "of", text }),
    element("span", { class: "number", text: count || "" })));
}

/* ---- opening and selecting ---- */

async function expand(node) {
  if (isOpen(node)) return;
  if (!node.querySelector("ul")) {
    const list = element("ul", { role: "group" });
    try {
      await loadLevel(list, node.dataset.path, Number(node.getAttribute("aria-level")));
    } catch { return; }
    if (!node.querySelector("ul")) node.append(list);
  }
  node.setAttribute("aria-expanded", "true");
}

const collapse = (node) => node.setAttribute("aria-expanded", "false");

async function activate(node) {
  if (!node.load) {
    if (!isWide()) closePanel();
    return go({ collection: node.dataset.path, view: "" });
  }
  const [first] = await node.load();
  focus(first);
}

/** Opens the levels above the selected folder, loading them up to it, and marks it. */
async function reveal() {
  const { collection } = state.query;
  const names = collection.split("/");
  for (let depth = 1; depth < names.length; depth += 1) {
    const node = await found(names.slice(0, depth).join("/"));
    if (!node || collection !== state.query.collection) return;
    await expand(node);
  }
  await found(collection);
  for (const node of tree.querySelectorAll("[data-path]")) node.setAttribute("aria-selected", String(node.dataset.path === collection));
  if (!tree.querySelector("[tabindex='0']")) (nodeOf(collection) || nodes()[0])?.setAttribute("tabindex", "0");
}

async function found(path) {
  const parent = path.slice(0, Math.max(0, path.lastIndexOf("/")));
  for (;;) {
    const node = nodeOf(path);
    const siblings = parent ? nodeOf(parent)?.querySelector("ul") : tree;
    const more = siblings && [...siblings.children].find((each) => each.load);
    if (node || !more) return node;
    try { await more.load(); } catch { return undefined; }
  }
}

/* ---- keyboard and pointer ---- */

function focus(node) {
  if (!node) return;
  for (const each of tree.querySelectorAll("[tabindex='0']")) each.tabIndex = -1;
  node.tabIndex = 0;
  node.focus();
}

tree.addEventListener("keydown", async (event) => {
  const node = event.target, all = nodes(), at = all.indexOf(node);
  const actions = {
    ArrowDown: () => focus(all[at + 1]), ArrowUp: () => focus(all[at - 1]), Home: () => focus(all[0]), End: () => focus(all.at(-1)),
    ArrowRight: () => (isOpen(node) ? focus(node.querySelector("[role=treeitem]")) : node.hasAttribute("aria-expanded") && expand(node)),
    ArrowLeft: () => (isOpen(node) ? collapse(node) : focus(parentOf(node))),
    Enter: () => activate(node), " ": () => activate(node),
  };
  if (event.ctrlKey || event.metaKey || event.altKey || !actions[event.key]) return;
  event.preventDefault();
  await actions[event.key]();
});

tree.addEventListener("click", ({ target }) => {
  const node = target.closest("[role=treeitem]");
  if (!node) return;
  focus(node);
  if (!target.closest(".twist") || !node.hasAttribute("aria-expanded")) activate(node);
  else if (isOpen(node)) collapse(node);
  else expand(node);
});

on("query", reveal);
