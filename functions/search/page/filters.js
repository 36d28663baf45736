/* The filters of a query: their names in the address, their conditions in the API, their labels.

   {from, to} are dates, months or years; the others are lists of values, of which one must match. */

const PIXELS = /^(\d*)-(\d*)$/, DAY = /^(\d{4})(?:-(\d\d))?(?:-(\d\d))?$/;
const megapixels = (pixels) => `${Number(pixels) / 1e6} MP`;

/** The filters by values: `facet` is the name of their counts in the API, `field` that of the condition. */
export const VALUES = {
  camera: { title: "Camera", facet: "camera", field: "metadata.camera", label: (camera) => camera },
  size: { title: "Size", facet: "pixels", field: "pixels", label: labelOfSize },
  orientation: { title: "Orientation", facet: "orientation", field: "orientation", label: (shape) => shape.charAt(0).toUpperCase() + shape.slice(1) },
  type: { title: "Type", facet: "content_type", field: "content_type", label: (type) => type.replace(/^image\/(x-)?/, "").replace("-", " ").toUpperCase() },
};

/** A value of a facet as the text that the address holds. */
export const textOf = (value) => (typeof value === "string" ? value : `${value.gte ?? ""}-${value.lt ?? ""}`);

function labelOfSize(text) {
  const [, from, to] = PIXELS.exec(text);
  if (!from) return `Below ${megapixels(to)}`;
  return to ? `${Number(from) / 1e6} to ${megapixels(to)}` : `${megapixels(from)} and more`;
}

export function labelOfMonth(month) {
  return new Date(month + "-01T00:00Z").toLocaleDateString(undefined, { year: "numeric", month: "long", timeZone: "UTC" });
}

/** A year, month or date for people. */
function labelOfDay(text) {
  if (text.length === 4) return text;
  if (text.length === 7) return labelOfMonth(text);
  return new Date(text + "T00:00Z").toLocaleDateString(undefined, { dateStyle: "medium", timeZone: "UTC" });
}

export function labelOfDates({ from, to }) {
  if (from === to) return labelOfDay(from);
  if (!to) return `Since ${labelOfDay(from)}`;
  return from ? `${labelOfDay(from)} to ${labelOfDay(to)}` : `Until ${labelOfDay(to)}`;
}

/** The first or the last day of a year or month. */
export function dayOf(text, isLast) {
  const [, year, month, day] = DAY.exec(text) || [];
  if (!year || day) return text;
  if (!isLast) return `${year}-${month || "01"}-01`;
  return new Date(Date.UTC(Number(year), Number(month || 12), 0)).toISOString().slice(0, 10);
}

/* ---- address ---- */

export function parseFilters(fields) {
  const filters = {};
  for (const name of ["from", "to"]) if (DAY.test(fields.get(name))) filters[name] = fields.get(name);
  for (const name of Object.keys(VALUES)) {
    const values = [...new Set(fields.getAll(name))].filter((value) => value && (name !== "size" || PIXELS.test(value) && value !== "-"));
    if (values.length) filters[name] = values;
  }
  return filters;
}

export function formatFilters(filters, fields) {
  for (const name of ["from", "to"]) if (filters[name]) fields.set(name, filters[name]);
  for (const name of Object.keys(VALUES)) for (const value of filters[name] || []) fields.append(name, value);
}

/* ---- changes ---- */

export const isNarrowed = ({ filters, collection }) => Boolean(collection || Object.keys(filters).length);

/** The filters with a value added, or without it if they have it. */
export function toggled(filters, name, value) {
  const { [name]: values = [], ...others } = filters;
  const left = values.includes(value) ? values.filter((each) => each !== value) : [...values, value];
  return left.length ? { ...others, [name]: left } : others;
}

export function withDates({ from, to, ...others }, dates) {
  return { ...others, ...(dates.from && { from: dates.from }), ...(dates.to && { to: dates.to }) };
}

/* ---- API ---- */

/** The conditions of the API's `filter`, without those of the filter `except`. */
export function conditionsOf(filters, except) {
  const conditions = {}, { from, to } = filters;
  if ((from || to) && except !== "date") conditions.taken_at = { ...(from && { gte: from }), ...(to && { lte: to }) };
  for (const [name, { field }] of Object.entries(VALUES)) {
    if (!filters[name] || name === except) continue;
    if (name === "size") conditions.or = filters.size.map((text) => ({ pixels: boundsOf(text) }));
    else conditions[field] = filters[name];
  }
  return conditions;
}

function boundsOf(text) {
  const [, gte, lt] = PIXELS.exec(text);
  return { ...(gte && { gte: Number(gte) }), ...(lt && { lt: Number(lt) }) };
}
