/* The query in the address of the page, and the requests of its results and their counts.

   A query is {text, terms, like, unlike, collection, filters, sort, view}. A term is {id}, {image} or
   {url}, with a weight that is negative for "less like this"; `image` is a key of images.js. `like` and
   `unlike` are the ids of good and bad matches. `filters` are those of filters.js, and `sort` is empty
   for the usual order: the best match, or without a search the newest. */

import { ask, send } from "./api.js";
import { conditionsOf, formatFilters, parseFilters } from "./filters.js";
import { base64Of, storedImage } from "./images.js";

export const PAGE = 40;
// The relevance that separates relevant images from others, as documented by the API.
export const MIN_RELEVANCE = .5;
const EMPTY = { text: "", terms: [], like: [], unlike: [], collection: "", filters: {}, sort: "", view: "" };
const FIELDS = { similar: "id", image: "image", url: "url" };
export const OPINIONS = ["like", "unlike"];
export const MAX_OPINIONS = 32;
const TEXTS = { q: "text", collection: "collection", sort: "sort", view: "view" };

export function parseQuery(search) {
  const fields = new URLSearchParams(search);
  const query = { ...EMPTY, terms: [] };
  for (const name of OPINIONS) query[name] = fields.getAll(name);
  for (const [name, field] of Object.entries(TEXTS)) query[field] = fields.get(name) || "";
  for (const [name, value] of fields) {
    const [, term, weight] = FIELDS[name] ? /^(.*?)(?:~(-?[\d.]+))?$/s.exec(value) : [];
    if (term) query.terms.push({ [FIELDS[name]]: term, weight: Number(weight ?? 1) });
  }
  query.filters = parseFilters(fields);
  if (!orders(query).includes(query.sort)) query.sort = "";
  return query;
}

export function formatQuery(query, open = "") {
  const fields = new URLSearchParams();
  for (const [name, field] of Object.entries(TEXTS)) if (query[field]) fields.set(name, query[field]);
  for (const term of query.terms) {
    const [name, field] = Object.entries(FIELDS).find(([, each]) => term[each]);
    fields.append(name, term.weight === 1 ? term[field] : `${term[field]}~${term.weight}`);
  }
  for (const name of OPINIONS) for (const id of query[name]) fields.append(name, id);
  formatFilters(query.filters, fields);
  if (open) fields.set("open", open);
  return String(fields) ? "?" + fields : location.pathname;
}

export const isSearch = (query) => Boolean(query.text || query.terms.length);
const isRefined = ({ like, unlike }) => like.length + unlike.length > 0;
export const sameTerm = (a, b) => ["id", "image", "url"].every((field) => a[field] === b[field]);

/** The values that `sort` may have besides the empty one. */
export const orders = (query) => (isSearch(query) ? ["-taken_at", "taken_at"] : ["taken_at", "key"]);
export const isByTime = (query) => (isSearch(query) ? query.sort !== "" : query.sort !== "key");

/** The part of a request that selects images, without the filter `except`. */
function selectionOf({ collection, filters }, except) {
  const filter = conditionsOf(filters, except);
  return { ...(collection && { collection }), ...(Object.keys(filter).length && { filter }) };
}

const tailOf = ({ filter, ...fields }) => "?" + new URLSearchParams({ ...fields, ...(filter && { filter: JSON.stringify(filter) }) });

/** A page of results: of a search, or without a query of the list of all images. */
export async function requestPage(query, cursor, signal) {
  const fields = { limit: PAGE, ...selectionOf(query), ...(cursor && { cursor }) };
  if (!isSearch(query)) return ask("v1/images" + tailOf({ ...fields, status: "indexed", sort: query.sort || "-taken_at" }), { signal });
  if (query.sort) Object.assign(fields, { sort: query.sort, min_relevance: MIN_RELEVANCE });
  if (isRefined(query)) {
    const { like, unlike } = query;
    return send("v1/search", { query: await postedQuery(query), like, unlike, ...fields }, { signal });
  }
  const [only] = query.terms;
  if (!only) return ask("v1/search" + tailOf({ ...fields, q: query.text }), { signal });
  if (query.terms.length > 1 || query.text || only.weight < 0) {
    return send("v1/search", { query: { terms: await postedTerms(query) }, ...fields }, { signal });
  }
  if (only.id) return ask(`v1/images/${encodeURIComponent(only.id)}/similar` + tailOf(fields), { signal });
  if (only.url) return send("v1/search", { query: { url: only.url }, ...fields }, { signal });
  const image = await storedImage(only.image);
  // Sent as an image even if the browser detects another type: the API then reports the actual format.
  const headers = { "content-type": image.type.startsWith("image/") ? image.type : "image/*" };
  return ask("v1/search" + tailOf(fields), { method: "POST", body: image, headers, signal });
}

/** The values of the images that the query finds, with counts: as if it had no filter `except`. */
export async function requestFacets(query, except) {
  const fields = selectionOf(query, except), background = { background: true };
  if (!isSearch(query)) return ask("v1/facets" + tailOf({ ...fields, status: "indexed" }), background);
  const counted = (more) => (query.terms.length
    ? postedQuery(query).then((posted) => send("v1/facets", { query: posted, ...fields, ...more }, background))
    : ask("v1/facets" + tailOf({ ...fields, ...more, q: query.text }), background));
  try {
    return await counted({ min_relevance: MIN_RELEVANCE });
  } catch (error) {
    // The hits of a model without calibration have no relevance.
    if (error.code !== "no_relevance") throw error;
    return counted({});
  }
}

/** The ID by which feedback names a search. Searches have none by default: it is stored for a day. */
export async function requestSearchId(query) {
  const { search_id: id } = await send("v1/search", { query: await postedQuery(query), limit: 1, feedback: true });
  return id;
}

async function postedQuery(query) {
  const terms = await postedTerms(query);
  const { weight, ...only } = terms[0];
  return terms.length > 1 || weight < 0 ? { terms } : only;
}

async function postedTerms({ text, terms }) {
  const posted = await Promise.all(terms.map(async ({ image, ...term }) => (
    image ? { image: await base64Of(await storedImage(image)), ...term } : term
  )));
  return text ? [{ text, weight: 1 }, ...posted] : posted;
}
