/* Download of several images as one ZIP file without compression: images are compressed already.

   The format: https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3. */

import { Failure } from "./api.js";
import { element, folderOf, nameOf } from "./dom.js";

// The file is composed in memory, and sizes above 4 GB need ZIP64.
const MAX_BYTES = 2e9;
const VERSION = 20, UTF8 = 1 << 11;
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Little-endian fields of [bytes, value]. */
function record(...fields) {
  const view = new DataView(new ArrayBuffer(fields.reduce((sum, [size]) => sum + size, 0)));
  let at = 0;
  for (const [size, value] of fields) {
    if (size === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += size;
  }
  return view.buffer;
}

function dosTime(date) {
  const day = (date.getFullYear() - 1980) << 9 | (date.getMonth() + 1) << 5 | date.getDate();
  const time = date.getHours() << 11 | date.getMinutes() << 5 | date.getSeconds() >> 1;
  return [[2, time], [2, day]];
}

/** The parts of a ZIP file of {name, bytes}. */
function zipParts(files) {
  const parts = [], directory = [];
  let offset = 0, directorySize = 0;
  const modified = dosTime(new Date());
  for (const { name, bytes } of files) {
    const encoded = new TextEncoder().encode(name), crc = crc32(bytes);
    const shared = [[2, VERSION], [2, UTF8], [2, 0], ...modified, [4, crc], [4, bytes.length], [4, bytes.length], [2, encoded.length], [2, 0]];
    parts.push(record([4, 0x04034b50], ...shared), encoded, bytes);
    directory.push(record([4, 0x02014b50], [2, VERSION], ...shared, [2, 0], [2, 0], [2, 0], [4, 0], [4, offset]), encoded);
    offset += 30 + encoded.length + bytes.length;
    directorySize += 46 + encoded.length;
  }
  const count = files.length;
  return [...parts, ...directory, record([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, directorySize], [4, offset], [2, 0])];
}

/** Saves images under their names; several of one name under their paths. Raises Failure. */
export async function saveZip(images, progress) {
  const names = images.map(nameOf), files = [];
  let total = 0;
  for (const [at, image] of images.entries()) {
    progress(at + 1);
    const response = await fetch(image.url, { cache: "reload" }).catch(() => null);
    if (!response?.ok) throw new Failure(0, { message: `${nameOf(image)} could not be downloaded.`, hint: "Reload the page and try again." });
    const bytes = new Uint8Array(await response.arrayBuffer());
    total += bytes.length;
    if (total > MAX_BYTES) throw new Failure(0, { message: "The selected images have more than 2 GB.", hint: "Select fewer images." });
    const isUnique = names.indexOf(names[at]) === names.lastIndexOf(names[at]);
    files.push({ name: isUnique ? names[at] : `${folderOf(image) || "."}/${names[at]}`.replace(/^\.\//, ""), bytes });
  }
  const url = URL.createObjectURL(new Blob(zipParts(files), { type: "application/zip" }));
  element("a", { href: url, download: "images.zip" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
