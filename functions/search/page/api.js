/* Requests to the API, with the key that the user has entered. */

import { $, sentence } from "./dom.js";
import { announce } from "./state.js";

// The address of the page ends in a slash: index.html appends it to the name of a stage.
export const root = location.pathname;
const STORED_KEY = "imagesearch-key";

export class Failure extends Error {
  constructor(status, error) {
    super(sentence(error.message || "the response could not be read"));
    this.status = status;
    this.code = error.code || "";
    this.hint = sentence(error.hint || "");
  }
}

const storedKey = () => sessionStorage.getItem(STORED_KEY);
const keyHeader = () => (storedKey() ? { "x-api-key": storedKey() } : {});

/** The JSON of a response. Raises Failure; a background request never asks for the API key. */
export async function ask(path, { background = false, ...options } = {}) {
  const key = storedKey();
  let response;
  try {
    response = await fetch(root + path, { ...options, headers: { ...options.headers, ...keyHeader() } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    announce("unreachable");
    throw new Failure(0, { message: "The server does not respond.", hint: "Check that it is running. The page reconnects by itself." });
  }
  const body = await response.json().catch(() => ({}));
  if (response.ok) return body;
  if (response.status === 403 && isAboutKey(body)) {
    if (!background && await newKey(key)) return ask(path, options);
    throw new Failure(403, { code: "api_key", message: "This server requires an API key.", hint: "Enter the key to search." });
  }
  throw new Failure(response.status, body.error || { message: body.message || `The server returned status ${response.status}.` });
}

/** The file of a response as a blob. Raises Failure. */
export async function askFile(path, type) {
  const response = await fetch(root + path, { headers: { accept: type, ...keyHeader() } });
  if (!response.ok) throw new Failure(response.status, { message: `The server returned status ${response.status}.` });
  return response.blob();
}

export const send = (path, body, options = {}) => ask(path, {
  method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), ...options,
});

/* An operation that the operator or the key does not permit is answered with 403 and another code. */
const isAboutKey = (body) => (body.error?.code ?? "forbidden") === "forbidden";

let asking = null;

/** Asks for a key instead of `old`; false if the user cancels. */
function newKey(old) {
  if (storedKey() !== old) return true;
  asking ||= new Promise((done) => {
    $("key").value = "";
    $("key-wrong").hidden = !old;
    $("ask").returnValue = "";
    $("ask").showModal();
    $("ask").addEventListener("close", () => {
      const entered = $("ask").returnValue === "ok" && $("key").value.trim();
      if (entered) sessionStorage.setItem(STORED_KEY, entered);
      else sessionStorage.removeItem(STORED_KEY);
      asking = null;
      done(Boolean(entered));
    }, { once: true });
  });
  return asking;
}

$("cancel").addEventListener("click", () => $("ask").close());
