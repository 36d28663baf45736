/* Uploads, if allowed: each file is listed with its result, and a failure does not stop the others. */

import { ask, Failure, root, send } from "./api.js";
import { $, counted, disable, element, sentence } from "./dom.js";
import { acceptedTypes, typeOf } from "./mediatypes.js";
import { say } from "./notices.js";
import { announce, state } from "./state.js";

const POLL_MS = 1500, POLLS = 40;

async function upload(file) {
  const type = typeOf(file);
  if (!type.startsWith("image/")) throw new Failure(0, { message: "not an image" });
  const created = await send("v1/images", { name: file.name, content_type: type, ...(state.query.collection && { collection: state.query.collection }) });
  const form = new FormData();
  for (const [name, value] of Object.entries(created.upload.fields)) form.append(name, value);
  form.append("file", file);
  const url = new URL(created.upload.url, location.origin + root).href;
  const sent = await fetch(url, { method: "POST", body: form }).catch(() => ({ status: 0 }));
  if (!sent.ok) throw new Failure(sent.status, { message: "not uploaded", hint: "The maximum size is 64 MB." });
  return created.id;
}

/** Follows an uploaded image until it is indexed or rejected. */
async function follow(id, row) {
  for (let poll = 0; poll < POLLS; poll += 1) {
    await new Promise((done) => { setTimeout(done, POLL_MS); });
    const record = await ask("v1/images/" + encodeURIComponent(id), { background: true }).catch(() => null);
    if (!record || record.status === "pending") continue;
    if (record.status === "rejected") setResult(row, "failed", `not searchable: ${record.reason}`);
    else setResult(row, "done", "searchable");
    return announce("changed");
  }
}

function setResult(row, kind, text) {
  row.className = kind;
  row.lastChild.textContent = sentence(text);
}

async function uploadAll(files) {
  const rows = files.map((file) => element("li", { class: "waiting" }, element("b", { text: file.name }), element("span", { text: "waiting" })));
  $("uploaded").prepend(...rows);
  $("uploads").hidden = false;
  disable($("add"));
  let done = 0;
  for (const [at, file] of files.entries()) {
    $("uploads-title").textContent = `Adding ${at + 1} of ${files.length}`;
    setResult(rows[at], "sending", "uploading");
    try {
      const id = await upload(file);
      done += 1;
      setResult(rows[at], "done", "uploaded; indexing");
      follow(id, rows[at]);
    } catch (error) {
      setResult(rows[at], "failed", [error.message, error.hint].filter(Boolean).join(". "));
    }
  }
  $("uploads-title").textContent = done === files.length ? `${counted(done, "image")} added` : `${done} of ${counted(files.length, "image")} added`;
  say($("uploads-title").textContent);
  disable($("add"), false);
  announce("changed");
}

$("added").accept = acceptedTypes;
$("add").addEventListener("click", () => $("added").click());
$("added").addEventListener("change", () => { uploadAll([...$("added").files]); $("added").value = ""; });
$("uploads").addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  event.stopPropagation();   // It would clear the selection.
  $("uploads-close").click();
});
$("uploads-close").addEventListener("click", () => {
  $("uploads").hidden = true;
  $("uploaded").replaceChildren();
  $("add").focus();
});
