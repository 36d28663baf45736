/* The state of the page that several modules read, and the events by which they learn of changes. */

export const state = {
  query: { text: "", terms: [], like: [], unlike: [], collection: "", filters: {}, sort: "", view: "" },
  cursor: null,
  searchId: "",   // of the shown search, once it has been given feedback
  health: null,
};

const target = new EventTarget();
export const announce = (name, detail) => target.dispatchEvent(new CustomEvent(name, { detail }));
export const on = (name, listener) => target.addEventListener(name, (event) => listener(event.detail));
