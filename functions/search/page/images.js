/* Query images in the storage of the browser, so that a reload or "back" finds them again.

   The address of the page holds their keys; the files never leave the browser except in a search. */

import { Failure } from "./api.js";

// The limits of an image as a request body and in JSON.
const MAX_BYTES = 4_400_000, MAX_JSON_BYTES = 3_000_000;
const LONGEST_SIDE = 1600, JPEG_QUALITY = .9;
const STORE = "images", MAX_STORED = 40;
const inMemory = new Map();

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

async function store(mode) {
  const opening = indexedDB.open("imagesearch", 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  return (await settled(opening)).transaction(STORE, mode).objectStore(STORE);
}

/** Stores an image file and returns its key. Raises Failure if it cannot be made small enough. */
export async function storeImage(file) {
  const image = file.size > MAX_BYTES ? await shrunk(file) : file;
  const key = Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  inMemory.set(key, image);
  try {
    const images = await store("readwrite");
    await settled(images.put(image, key));
    const keys = await settled(images.getAllKeys());
    keys.slice(0, -MAX_STORED).forEach((old) => images.delete(old));
  } catch { /* Without storage, as in a private window, the image is lost on reload. */ }
  return key;
}

/** The image of a key. Raises Failure. */
export async function storedImage(key) {
  const image = inMemory.get(key) || await store("readonly").then((images) => settled(images.get(key))).catch(() => null);
  if (!image) throw new Failure(404, { message: "The image of this search is not in this browser.", hint: "Drop the image again. A link to a search by an own image works only in the browser that made it." });
  inMemory.set(key, image);
  return image;
}

export async function base64Of(image) {
  const small = image.size > MAX_JSON_BYTES ? await shrunk(image) : image;
  const reader = new FileReader();
  await new Promise((resolve, reject) => Object.assign(reader, { onload: resolve, onerror: reject }).readAsDataURL(small));
  return reader.result.slice(reader.result.indexOf(",") + 1);
}

async function shrunk(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Failure(413, { message: "This image is too large, and this browser cannot resize it.", hint: "Save a smaller copy, for example as JPEG." });
  }
  const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
  return jpegOf(bitmap, [0, 0, bitmap.width, bitmap.height], scale, file.name);
}

/** The part [left, top, width, height] of a bitmap as a JPEG file. */
export async function jpegOf(bitmap, [left, top, width, height], scale, name) {
  const canvas = Object.assign(document.createElement("canvas"), {
    width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)),
  });
  canvas.getContext("2d").drawImage(bitmap, left, top, width, height, 0, 0, canvas.width, canvas.height);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", JPEG_QUALITY));
  return new File([blob], name, { type: blob.type });
}
