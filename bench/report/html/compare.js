"use strict";
// Original and reconstructions side by side: slider, flicker, difference map, zoom to the pixel.
const ORIGINAL = "original";
const comparison = { items: [], images: new Map(), pixels: new Map(), maps: new Map(),
  zoom: "fit", centre: [0.5, 0.5], flickered: false, left: null, right: null, drawn: 0 };

function setUpCompare() {
  const shown = report.data.pictures;
  if (!shown.length) {
    byId("compare").hidden = true;
    return;
  }
  fillSelect("compare-item", shown.map((item, index) => [index, item]));
  if (shown.length < report.data.pictures_kept) {
    byId("compare-note").textContent = `${shown.length} of ${report.data.pictures_kept} kept items are in this file, the others lie in the folder kept.`;
  }
  byId("compare-item").addEventListener("change", chooseItem);
  byId("compare-left").addEventListener("change", () => { chooseRates(); chooseShots(); });
  byId("compare-right").addEventListener("change", chooseShots);
  byId("compare-rate").addEventListener("change", chooseShots);
  byId("compare-mode").addEventListener("change", paintComparison);
  byId("compare-gain").addEventListener("change", () => { comparison.maps.clear(); paintComparison(); });
  byId("compare-split").addEventListener("input", paintComparison);
  document.querySelectorAll("[data-zoom]").forEach((button) => button.addEventListener("click", () => {
    comparison.zoom = button.dataset.zoom === "fit" ? "fit" : Number(button.dataset.zoom);
    paintComparison();
  }));
  setUpPointer(byId("compare-view"));
  window.addEventListener("resize", paintComparison);
  window.setInterval(() => {
    if (byId("compare-mode").value !== "flicker") return;
    comparison.flickered = !comparison.flickered;
    paintComparison();
  }, 600);
  section("compare", loadPictures);
}

// The pictures stand behind the scripts in the file: the page works before they are read.
function loadPictures() {
  if (document.readyState === "loading") {
    document.addEventListener("DOMContentLoaded", loadPictures, { once: true });
    return;
  }
  if (!comparison.items.length) {
    comparison.items = JSON.parse(byId("pictures").textContent);
    byId("pictures").remove();
  }
  chooseItem();
}

function currentItem() {
  return comparison.items[Number(byId("compare-item").value)];
}

function chooseItem() {
  const codecs = [...new Set(currentItem().shots.map((shot) => shot.codec))];
  const names = [[ORIGINAL, ORIGINAL], ...codecs.map((codec) => [codec, codec])];
  const kept = ["compare-left", "compare-right"].map((id) => byId(id).value);
  fillSelect("compare-left", names).value = codecs.includes(kept[0]) ? kept[0] : codecs[0];
  fillSelect("compare-right", names).value = codecs.includes(kept[1]) ? kept[1] : codecs[1] || ORIGINAL;
  comparison.images.clear();
  comparison.pixels.clear();
  comparison.maps.clear();
  comparison.centre = [0.5, 0.5];
  chooseRates();
  chooseShots();
}

// The rates on offer are those of the left codec; the right one follows with its nearest.
function chooseRates() {
  const left = byId("compare-left").value;
  const right = byId("compare-right").value;
  const codec = left === ORIGINAL ? right : left;
  const shots = currentItem().shots.filter((shot) => shot.codec === codec);
  const wanted = Number(byId("compare-rate").value) || (shots.length ? shots[0].bpp : 0);
  const select = fillSelect("compare-rate", shots.map((shot) => [shot.bpp, `${shot.bpp.toFixed(3)} bpp`]));
  const near = nearest(shots, wanted);
  if (near) select.value = near.bpp;
}

function nearest(shots, bpp) {
  const distance = (shot) => Math.abs(Math.log(shot.bpp / bpp));
  return shots.reduce((best, shot) => (!best || distance(shot) < distance(best) ? shot : best), null);
}

async function chooseShots() {
  const item = currentItem();
  const bpp = Number(byId("compare-rate").value);
  const pick = (codec) => (codec === ORIGINAL
    ? { codec: ORIGINAL, source: item.original }
    : nearest(item.shots.filter((shot) => shot.codec === codec), bpp));
  comparison.left = pick(byId("compare-left").value);
  comparison.right = pick(byId("compare-right").value);
  caption("compare-left-caption", comparison.left, null);
  caption("compare-right-caption", comparison.right, comparison.left);
  await Promise.all([item.original, comparison.left.source, comparison.right.source].map(loadImage));
  paintComparison();
}

function caption(id, shot, reference) {
  let text = shot.codec;
  if (shot.codec !== ORIGINAL) {
    text += ` ${shot.point}: ${shot.bpp.toFixed(3)} bpp`;
    text += shot.psnr === null ? "" : `, ${shot.psnr.toFixed(2)} dB`;
    if (reference && reference.bpp && Math.abs(shot.bpp / reference.bpp - 1) > 0.1) {
      text += ` (rate ${signed(100 * (shot.bpp / reference.bpp - 1), 0)} %)`;
    }
  }
  byId(id).textContent = text;
}

async function loadImage(source) {
  if (comparison.images.has(source)) return;
  const image = new Image();
  image.src = source;
  await image.decode();
  comparison.images.set(source, image);
}

function pixelsOf(source) {
  if (!comparison.pixels.has(source)) {
    const image = comparison.images.get(source);
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    comparison.pixels.set(source, context.getImageData(0, 0, canvas.width, canvas.height));
  }
  return comparison.pixels.get(source);
}

// |reconstruction − original| · gain, black where they agree.
function differenceMap(source) {
  if (!comparison.maps.has(source)) {
    const original = pixelsOf(currentItem().original);
    const other = pixelsOf(source);
    const gain = Number(byId("compare-gain").value);
    const map = new ImageData(original.width, original.height);
    for (let i = 0; i < map.data.length; i += 1) {
      map.data[i] = i % 4 === 3 ? 255 : gain * Math.abs(original.data[i] - other.data[i]);
    }
    const canvas = document.createElement("canvas");
    canvas.width = map.width;
    canvas.height = map.height;
    canvas.getContext("2d").putImageData(map, 0, 0);
    comparison.maps.set(source, canvas);
  }
  return comparison.maps.get(source);
}

// The part of the picture in sight: scale in canvas pixels per picture pixel, and its offset.
function viewOf(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const fit = Math.min(canvas.width / width, canvas.height / height);
  const scale = comparison.zoom === "fit" ? fit : comparison.zoom * Math.max(1, Math.round(ratio));
  const place = (centre, size, room) => {
    const half = room / scale / 2;
    const middle = size * scale <= room ? size / 2 : Math.min(Math.max(centre * size, half), size - half);
    return room / 2 - middle * scale;
  };
  return { scale, x: place(comparison.centre[0], width, canvas.width),
    y: place(comparison.centre[1], height, canvas.height) };
}

function paintComparison() {
  if (!comparison.items.length) return;
  const original = comparison.images.get(currentItem().original);
  if (!original || !comparison.left || !comparison.images.has(comparison.left.source)
    || !comparison.images.has(comparison.right.source)) return;
  const mode = byId("compare-mode").value;
  byId("gain-label").hidden = mode !== "difference";
  byId("compare-split").disabled = mode === "flicker";
  document.querySelectorAll("[data-zoom]").forEach((button) => button.setAttribute(
    "aria-pressed", String(button.dataset.zoom === String(comparison.zoom))));
  const canvas = byId("compare-view");
  const [width, height] = [original.naturalWidth, original.naturalHeight];
  const ratio = window.devicePixelRatio || 1;
  const shown = canvas.clientWidth;
  canvas.width = Math.round(shown * ratio);
  canvas.height = Math.round(Math.min(shown * (height / width), window.innerHeight * 0.8) * ratio);
  canvas.style.height = `${canvas.height / ratio}px`;
  const context = canvas.getContext("2d");
  const view = viewOf(canvas, width, height);
  context.imageSmoothingEnabled = view.scale < 1;
  const paint = (shot, from, to) => {
    const picture = mode === "difference" ? differenceMap(shot.source) : comparison.images.get(shot.source);
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, canvas.height);
    context.clip();
    context.drawImage(picture, view.x, view.y, width * view.scale, height * view.scale);
    context.restore();
  };
  if (mode === "flicker") {
    paint(comparison.flickered ? comparison.right : comparison.left, 0, canvas.width);
  } else {
    const split = Math.round((canvas.width * Number(byId("compare-split").value)) / 100);
    paint(comparison.left, 0, split);
    paint(comparison.right, split, canvas.width);
    context.fillStyle = "#ffffff";
    context.fillRect(split - ratio, 0, 2 * ratio, canvas.height);
  }
  canvas.dataset.side = mode === "flicker" ? (comparison.flickered ? "right" : "left") : mode;
  comparison.drawn += 1;
  canvas.dataset.drawn = comparison.drawn;
}

function setUpPointer(canvas) {
  let last = null;
  const size = () => {
    const image = comparison.images.get(currentItem().original);
    return [image.naturalWidth, image.naturalHeight];
  };
  canvas.addEventListener("pointerdown", (event) => {
    last = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", () => { last = null; });
  canvas.addEventListener("pointermove", (event) => {
    if (!comparison.left || !comparison.images.has(currentItem().original)) return;
    const [width, height] = size();
    const view = viewOf(canvas, width, height);
    const ratio = canvas.width / canvas.clientWidth;
    if (last) {
      comparison.centre[0] -= ((event.clientX - last[0]) * ratio) / view.scale / width;
      comparison.centre[1] -= ((event.clientY - last[1]) * ratio) / view.scale / height;
      comparison.centre = comparison.centre.map((value) => Math.min(1, Math.max(0, value)));
      last = [event.clientX, event.clientY];
      paintComparison();
    } else {
      const box = canvas.getBoundingClientRect();
      showPixel(Math.floor(((event.clientX - box.left) * ratio - view.x) / view.scale),
        Math.floor(((event.clientY - box.top) * ratio - view.y) / view.scale), width, height);
    }
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const steps = ["fit", 1, 2, 4, 8, 16, 32];
    const place = steps.indexOf(comparison.zoom) + (event.deltaY < 0 ? 1 : -1);
    const box = canvas.getBoundingClientRect();
    const [width, height] = size();
    const view = viewOf(canvas, width, height);
    const ratio = canvas.width / canvas.clientWidth;
    comparison.centre = [((event.clientX - box.left) * ratio - view.x) / view.scale / width,
      ((event.clientY - box.top) * ratio - view.y) / view.scale / height];
    comparison.zoom = steps[Math.min(steps.length - 1, Math.max(0, place))];
    paintComparison();
  }, { passive: false });
}

function showPixel(x, y, width, height) {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const at = (source) => Array.from(pixelsOf(source).data.slice(4 * (y * width + x), 4 * (y * width + x) + 3)).join(" ");
  const parts = [`pixel ${x}, ${y}: original ${at(currentItem().original)}`];
  for (const shot of [comparison.left, comparison.right]) {
    if (shot.codec !== ORIGINAL) parts.push(`${shot.codec} ${at(shot.source)}`);
  }
  byId("compare-pixel").textContent = parts.join(" · ");
}
