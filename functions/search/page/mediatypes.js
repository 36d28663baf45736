/* Media types by extension, where browsers know none or a different one from the API's. */

const TYPES = {
  heic: "image/heic", heif: "image/heif", avif: "image/avif", tif: "image/tiff", tiff: "image/tiff", jxl: "image/jxl",
  dng: "image/x-adobe-dng", gpr: "image/x-adobe-dng", cr2: "image/x-canon-cr2", cr3: "image/x-canon-cr3",
  crw: "image/x-canon-crw", erf: "image/x-epson-erf", raf: "image/x-fuji-raf", "3fr": "image/x-hasselblad-3fr",
  fff: "image/x-hasselblad-3fr", dcr: "image/x-kodak-dcr", kdc: "image/x-kodak-dcr", k25: "image/x-kodak-dcr",
  mef: "image/x-mamiya-mef", mrw: "image/x-minolta-mrw", nef: "image/x-nikon-nef", nrw: "image/x-nikon-nef",
  orf: "image/x-olympus-orf", ori: "image/x-olympus-orf", rw2: "image/x-panasonic-rw2", rwl: "image/x-panasonic-rw2",
  pef: "image/x-pentax-pef", srw: "image/x-samsung-srw", x3f: "image/x-sigma-x3f", arw: "image/x-sony-arw",
  sr2: "image/x-sony-arw", srf: "image/x-sony-arw", iiq: "image/x-dcraw", mos: "image/x-dcraw",
};
export const acceptedTypes = ["image/*", ...Object.keys(TYPES).map((extension) => "." + extension)].join();
export const typeOf = (file) => TYPES[file.name.split(".").pop().toLowerCase()] || file.type;
