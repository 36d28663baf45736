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

/** Whether the notice stays: its button has the focus. */
export const isHeld = () => document.hasFocus() && $("toast").contains(document.activeElement);
const HELD_MS = 1000;
let leaving = 0;

function leave() {
  if (isHeld()) leaving = setTimeout(leave, HELD_MS);
  else $("toast").hidden = true;
}

/** Shows a notice for some seconds, or until the next one, with a button that undoes an action. */
export function notify(text, { undo, seconds = 6 } = {}) {
  clearTimeout(leaving);
  $("toast").replaceChildren(element("span", { text }));
  if (undo) $("toast").append(button("Undo", { class: "plain", title: "Undo (Ctrl+Z)", click: () => { $("toast").hidden = true; undo(); } }));
  $("toast").hidden = false;
  placeToast();
  leaving = setTimeout(leave, seconds * 1000);
}

/* A modal dialog covers everything outside of it, and a closed one hides what is inside. In the viewer,
   a notice is on the image, so that it covers no button. */
function placeToast() {
  const dialog = document.querySelector("dialog[open]");
  const place = dialog?.querySelector(".left") || dialog || document.body;
  if ($("toast").parentNode !== place) place.append($("toast"));
}
new MutationObserver(placeToast).observe(document.body, { subtree: true, attributeFilter: ["open"] });

$("retry").addEventListener("click", () => retry?.());
