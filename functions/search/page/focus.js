/* The focus of the keyboard stays in the page. The element that has it can be removed or hidden, by new
   results for example; browsers then move the focus to the document, and nothing shows where it is. */

import { $ } from "./dom.js";
import { firstInView, focusTile, imageOf, isInView, nearestTile, tiles } from "./results.js";

const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";
let last = null;   // {element, around}: with the elements that contain it, the innermost first

const isShown = (node) => node.isConnected && node.checkVisibility({ visibilityProperty: true });
const isReachable = (node) => node.tabIndex >= 0 && isShown(node);

function around(node) {
  const found = [];
  for (let each = node.parentElement; each && each !== $("main") && each !== document.body; each = each.parentElement) found.push(each);
  return found;
}

/** The element to focus within `outer`: its initial focus, or the nearest one before `node`, or the first one. */
function substitute(outer, node) {
  const found = [...outer.querySelectorAll(FOCUSABLE)].filter(isReachable);
  const before = found.filter((each) => node.compareDocumentPosition(each) === Node.DOCUMENT_POSITION_PRECEDING);
  const next = found.find((each) => each.autofocus) || before.at(-1) || found[0];
  if (!next?.matches(".hit")) return next;
  return node === $("more") ? tiles().at(-1) : firstInView();
}

function restore() {
  if (!last || isShown(last.element)) return;
  const { element, around: outers } = last;
  last = null;
  let next = element.matches(".hit") && nearestTile(imageOf(element).id);
  if (next && !isInView(next)) next = firstInView();   // new results begin at the top
  for (const outer of outers) next ||= isShown(outer) && substitute(outer, element);
  next ||= firstInView();
  if (!next || !isShown(next)) next = $("q");
  if (next.matches(".hit")) focusTile(next, { stay: true });
  else next.focus();
}

// Pointers need no focus: Space scrolls the page after a click.
document.addEventListener("pointerdown", () => { last = null; });
document.addEventListener("focusin", ({ target }) => { last = target.matches(":focus-visible") ? { element: target, around: around(target) } : null; });
// A dialog that closes gives the focus back itself, after its attribute has changed.
new MutationObserver(() => {
  if (!last || isShown(last.element)) return;
  if (last.around.at(-1)?.matches("dialog")) setTimeout(restore);
  else restore();
}).observe(document.body, { subtree: true, childList: true, attributeFilter: ["class", "hidden", "open"] });

/** Scrolls to the whole of the element that the keyboard has focused in the page. */
function showFocus() {
  if (document.activeElement.matches("main :focus-visible")) document.activeElement.scrollIntoView({ block: "nearest" });
}

/** A bar that grows, as the footer does with a selection, may cover the focus. What is off the screen stays there. */
export function uncoverFocus() {
  const { top, bottom } = document.activeElement.getBoundingClientRect();
  if (top < innerHeight && bottom > 0) showFocus();
}
// Images that were loaded meanwhile may have moved the focus. The viewer restores the position itself.
document.addEventListener("close", ({ target }) => {
  if (target !== $("viewer")) setTimeout(showFocus);
}, { capture: true });
