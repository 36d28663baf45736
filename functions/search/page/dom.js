/* Elements, text and formats shared by all modules. File names are inserted as text only. */

export const $ = (id) => document.getElementById(id);

/** A new element; attributes that are functions become event listeners, and `text` its text. Children that are false are left out. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name === "text") made.textContent = value;
    else if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== false));
  return made;
}

/** The first element at or after a place that fits, or the last one before it. */
export const nearest = (all, at, fits) => [...all.slice(at), ...all.slice(0, at).reverse()].find(fits);

export const button = (text, attributes) => element("button", { type: "button", text, ...attributes });
export const nameOf = (image) => image.key.slice(image.key.lastIndexOf("/") + 1);
/** A path without its middle folders, if it is long. */
export const shortPath = (path) => (path.length > 28 ? path.replace(/^([^/]*)\/.*\/([^/]*)$/, "$1/…/$2") : path);
export const folderOf = (image) => image.key.slice(0, Math.max(0, image.key.lastIndexOf("/")));
/** A text of the API as a sentence; a field that it begins with keeps its spelling: "url: …", "min_relevance is …". */
export const sentence = (text) => (/^\S*[:_.]/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1));
export const counted = (count, noun, plural = noun + "s") => `${count.toLocaleString()} ${count === 1 ? noun : plural}`;
/** The size of a file, in kB below 1 MB. */
export const sizeOf = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
export const inMegabytes = (bytes) => Math.round(bytes / 1e6).toLocaleString();

const DISPLAYED = /^image\/(jpeg|png|webp|gif|bmp|avif)$/;
/** The URL of an image that every browser displays; undefined for other formats, which have previews. */
export const drawable = (image) => (DISPLAYED.test(image.content_type ?? "image/jpeg") ? image.url : undefined);

/** An image that falls back to the next URL, and then to its name: a thumbnail may have been deleted. */
export function picture(urls, name, eager, larger = {}) {
  const [first, ...others] = urls.filter(Boolean);
  if (!first) return element("span", { text: name, class: "tile" });
  const img = element("img", { alt: name, draggable: "false", decoding: "async", loading: eager ? undefined : "lazy" });
  img.addEventListener("error", () => {
    img.removeAttribute("srcset");
    if (others.length) img.src = others.shift();
    else img.replaceWith(element("span", { text: name, class: "tile" }));
  });
  Object.assign(img, larger);
  img.src = first;
  return img;
}

/** Copies text also where the page has no secure context, such as plain HTTP in a local network. */
export async function copyText(text) {
  try {
    return await navigator.clipboard.writeText(text);
  } catch { /* The next lines need neither a secure context nor a permission. */ }
  const area = element("textarea", { class: "unseen" });
  area.value = text;
  (document.querySelector("dialog[open]") || document.body).append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

/** Makes a button ineffective. It keeps the focus, which one with the attribute `disabled` would lose. */
export const disable = (node, isDisabled = true) => node.setAttribute("aria-disabled", String(isDisabled));
document.addEventListener("click", (event) => {
  if (!event.target.closest("[aria-disabled=true]")) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, { capture: true });

/** True if a key is pressed in the viewer. The focus may be nowhere: a click on the image removes it. */
export const isInViewer = ({ target }) => $("viewer").open && [$("viewer"), null].includes(target.closest("dialog"));
export const opensDialog = () => Boolean(document.querySelector("dialog[open]"));
export const isEditing = (target) => Boolean(target.closest("input, select, textarea"));
