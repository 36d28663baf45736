/* Messages: errors above the results, and short notices with an action at the bottom. */

import { $, button, element } from "./dom.js";

let retry = null;

/** Shows an error until the next call; `again` is offered as a button. */
export function complain(error, again = null, label = "Try again") {
  const [message, hint] = $("wrong").querySelectorAll("p");
  $("wrong").hidden = !error;
  $("retry").hidden = !again;
  $("retry").textContent = label;
  retry = again;
  if (!error) return;
  $("empty").hidden = true;
  message.textContent = error.message;
  hint.textContent = error.hint || "";
}

/** Announces text to screen readers only. */
export const say = (text) => { $("said").textContent = text; };

let leaving = 0;
/** Shows a notice at the bottom for some seconds, or until the next one. */
export function notify(text, { action, label = "Undo", seconds = 6 } = {}) {
  clearTimeout(leaving);
  const close = () => { $("toast").hidden = true; };
  $("toast").replaceChildren(element("span", { text }));
  if (action) $("toast").append(button(label, { class: "plain", click: () => { close(); action(); } }));
  $("toast").hidden = false;
  // A modal dialog covers everything outside of it.
  (document.querySelector("dialog[open]") || document.body).append($("toast"));
  leaving = setTimeout(close, seconds * 1000);
}

$("retry").addEventListener("click", () => retry?.());
