/* The query in the address of the page, and the requests of its results.

   A query is {text, terms, collection, view}. A term is {id}, {image} or {url}, with a weight that is
   negative for "less like this"; `image` is a key of images.js. */

import { ask, send } from "./api.js";
import { base64Of, storedImage } from "./images.js";

export const PAGE = 40;
export const EMPTY = { text: "", terms: [], collection: "", view: "" };
const FIELDS = { similar: "id", image: "image", url: "url" };
const TEXTS = { q: "text", collection: "collection", view: "view" };

export function parseQuery(search) {
  const fields = new URLSearchParams(search);
  const query = { ...EMPTY, terms: [] };
  for (const [name, field] of Object.entries(TEXTS)) query[field] = fields.get(name) || "";
  for (const [name, value] of fields) {
    const [, term, weight] = FIELDS[name] ? /^(.*?)(?:~(-?[\d.]+))?$/s.exec(value) : [];
    if (term) query.terms.push({ [FIELDS[name]]: term, weight: Number(weight ?? 1) });
  }
  return query;
}

export function formatQuery(query, open = "") {
  const fields = new URLSearchParams();
  for (const [name, field] of Object.entries(TEXTS)) if (query[field]) fields.set(name, query[field]);
  for (const term of query.terms) {
    const [name, field] = Object.entries(FIELDS).find(([, each]) => term[each]);
    fields.append(name, term.weight === 1 ? term[field] : `${term[field]}~${term.weight}`);
  }
  if (open) fields.set("open", open);
  return String(fields) ? "?" + fields : location.pathname;
}

export const isSearch = (query) => Boolean(query.text || query.terms.length);
export const sameTerm = (a, b) => ["id", "image", "url"].every((field) => a[field] === b[field]);

/** A page of results: of a search, or without a query of the list of all images. */
export async function requestPage(query, cursor, signal) {
  const paging = { limit: PAGE };
  if (query.collection) paging.collection = query.collection;
  if (cursor) paging.cursor = cursor;
  const tail = "?" + new URLSearchParams(paging);
  const [only] = query.terms;
  if (!isSearch(query)) return ask(`v1/images${tail}&status=indexed`, { signal });
  if (!only) return ask(`v1/search${tail}&` + new URLSearchParams({ q: query.text }), { signal });
  if (query.terms.length > 1 || query.text || only.weight < 0) {
    return send("v1/search", { query: { terms: await postedTerms(query) }, ...paging }, { signal });
  }
  if (only.id) return ask(`v1/images/${encodeURIComponent(only.id)}/similar${tail}`, { signal });
  if (only.url) return send("v1/search", { query: { url: only.url }, ...paging }, { signal });
  const image = await storedImage(only.image);
  // Sent as an image even if the browser detects another type: the API then reports the actual format.
  const headers = { "content-type": image.type.startsWith("image/") ? image.type : "image/*" };
  return ask("v1/search" + tail, { method: "POST", body: image, headers, signal });
}

/** The ID by which feedback names a search. Searches have none by default: it is stored for a day. */
export async function requestSearchId(query) {
  const terms = await postedTerms(query);
  const { weight, ...only } = terms[0];
  const posted = terms.length > 1 || weight < 0 ? { terms } : only;
  const { search_id: id } = await send("v1/search", { query: posted, limit: 1, feedback: true });
  return id;
}

async function postedTerms({ text, terms }) {
  const posted = await Promise.all(terms.map(async ({ image, ...term }) => (
    image ? { image: await base64Of(await storedImage(image)), ...term } : term
  )));
  return text ? [{ text, weight: 1 }, ...posted] : posted;
}
