/* The files that could not be decoded, with the reason. */

import { ask } from "./api.js";
import { $, element } from "./dom.js";

let cursor = null;

export function showRejectedCount(count) {
  $("rejected").hidden = !count;
  $("rejected").textContent = `${count.toLocaleString()} not searchable`;
}

async function load() {
  const fields = { status: "rejected", limit: 100, ...(cursor && { cursor }) };
  try {
    const page = await ask("v1/images?" + new URLSearchParams(fields));
    cursor = page.cursor;
    $("reasons").append(...page.images.map((image) => element("li", { text: image.key }, element("span", { text: image.reason }))));
  } catch (error) {
    $("reasons").append(element("li", { text: error.message }));
  }
  $("reasons-more").hidden = !cursor;
}

$("rejected").addEventListener("click", () => {
  cursor = null;
  $("reasons").replaceChildren();
  $("unread").showModal();
  load();
});
$("reasons-more").addEventListener("click", load);
