"use strict";
// Original and reconstructions side by side: slider, flicker, difference map, zoom to the pixel.
const ORIGINAL = "original";
const ZOOMS = ["fit", 1, 2, 4, 8, 16, 32];
const FLICKER_MILLISECONDS = 600;

function nearest(shots, bpp) {
  const distance = (shot) => Math.abs(Math.log(shot.bpp / bpp));
  const closer = (best, shot) => (!best || distance(shot) < distance(best) ? shot : best);
  return shots.reduce(closer, null);
}

function caption(shot, reference) {
  if (shot.codec === ORIGINAL) return ORIGINAL;
  let text = `${shot.codec} ${shot.point}: ${shot.bpp.toFixed(3)} bpp`;
  text += shot.psnr === null ? "" : `, ${shot.psnr.toFixed(2)} dB`;
  if (reference && reference.bpp && Math.abs(shot.bpp / reference.bpp - 1) > 0.1) {
    text += ` (rate ${signed(100 * (shot.bpp / reference.bpp - 1), 0)} %)`;
  }
  return text;
}

class Comparison {
  constructor(canvas) {
    this.canvas = canvas;
    this.items = [];
    this.cache = new PictureCache();
    this.zoom = "fit";
    this.centre = [0.5, 0.5];
    this.left = null;
    this.right = null;
    this.showsRight = false;
    this.byHand = false;
    this.drawn = 0;
  }

  // The pictures stand behind the scripts in the file: the page works before they are read.
  load() {
    if (document.readyState === "loading") {
      document.addEventListener("DOMContentLoaded", () => this.load(), { once: true });
      return;
    }
    this.chooseItem();
  }

  get pictures() {
    if (!this.items.length && byId("pictures")) {
      this.items = JSON.parse(byId("pictures").textContent);
      byId("pictures").remove();
    }
    return this.items;
  }

  get item() {
    return this.pictures[Number(byId("compare-item").value)];
  }

  get codecs() {
    return [...new Set(this.item.shots.map((shot) => shot.codec))];
  }

  shotsOf(codec) {
    return this.item.shots.filter((shot) => shot.codec === codec);
  }

  chooseItem() {
    const codecs = this.codecs;
    const names = [ORIGINAL, ...codecs].map((codec) => [codec, codec]);
    for (const [side, otherwise] of [
      ["left", codecs[0]],
      ["right", codecs[1] || ORIGINAL],
    ]) {
      const before = byId(`compare-${side}`).value;
      const select = fillSelect(`compare-${side}`, names);
      select.value = codecs.includes(before) ? before : otherwise;
    }
    this.cache.clear();
    this.centre = [0.5, 0.5];
    this.chooseCodec();
  }

  chooseCodec() {
    this.fillRates();
    return this.chooseShots();
  }

  // The rates on offer are those of the left codec; the right one follows with its nearest.
  fillRates() {
    const left = byId("compare-left").value;
    const shots = this.shotsOf(left === ORIGINAL ? byId("compare-right").value : left);
    const wanted = Number(byId("compare-rate").value) || (shots.length ? shots[0].bpp : 0);
    const offered = shots.map((shot) => [shot.bpp, `${shot.bpp.toFixed(3)} bpp`]);
    const select = fillSelect("compare-rate", offered);
    const near = nearest(shots, wanted);
    if (near) select.value = near.bpp;
  }

  pick(codec) {
    if (codec === ORIGINAL) return { codec: ORIGINAL, source: this.item.original };
    return nearest(this.shotsOf(codec), Number(byId("compare-rate").value));
  }

  async chooseShots() {
    this.left = this.pick(byId("compare-left").value);
    this.right = this.pick(byId("compare-right").value);
    byId("compare-left-caption").textContent = caption(this.left, null);
    byId("compare-right-caption").textContent = caption(this.right, this.left);
    const sources = [this.item.original, this.left.source, this.right.source];
    await Promise.all(sources.map((source) => this.cache.load(source)));
    this.paint();
  }

  // One further in a list, and around: codecs on the right, or rates.
  step(id, by) {
    const select = byId(id);
    const { length } = select.options;
    select.selectedIndex = (select.selectedIndex + by + length) % length;
    return this.chooseShots();
  }

  stepRate(by) {
    const select = byId("compare-rate");
    const ranked = [...select.options].sort((one, other) => one.value - other.value);
    const place = ranked.findIndex((option) => option.selected) + by;
    if (place < 0 || place >= ranked.length) return;
    ranked[place].selected = true;
    this.chooseShots();
  }

  chooseRight(number) {
    const select = byId("compare-right");
    if (number >= select.options.length) return;
    select.selectedIndex = number;
    this.chooseShots();
  }

  // The whole picture of one side, then of the other.
  flick() {
    this.showsRight = this.mode === "flicker" ? !this.showsRight : true;
    this.byHand = true;
    byId("compare-mode").value = "flicker";
    this.paint();
  }

  split() {
    this.byHand = false;
    byId("compare-mode").value = "split";
    this.paint();
  }

  get mode() {
    return byId("compare-mode").value;
  }

  get view() {
    const original = this.cache.images.get(this.item.original);
    return new View(this.canvas, original, this.zoom, this.centre);
  }

  get ready() {
    if (!this.items.length || !this.left) return false;
    const sources = [this.item.original, this.left.source, this.right.source];
    return sources.every((source) => this.cache.images.has(source));
  }

  paint() {
    if (!this.ready) return;
    this.paintControls();
    this.fitCanvas();
    const { canvas } = this;
    if (this.mode === "flicker") {
      this.paintPart(this.showsRight ? this.right : this.left, 0, canvas.width);
    } else {
      const split = Math.round((canvas.width * Number(byId("compare-split").value)) / 100);
      this.paintPart(this.left, 0, split);
      this.paintPart(this.right, split, canvas.width);
      const ratio = window.devicePixelRatio || 1;
      const context = canvas.getContext("2d");
      context.fillStyle = "#ffffff";
      context.fillRect(split - ratio, 0, 2 * ratio, canvas.height);
    }
    const side = this.showsRight ? "right" : "left";
    canvas.dataset.side = this.mode === "flicker" ? side : this.mode;
    canvas.dataset.scale = this.view.scale;
    this.drawn += 1;
    canvas.dataset.drawn = this.drawn;
  }

  paintControls() {
    byId("gain-label").hidden = !["difference", "heat"].includes(this.mode);
    byId("compare-split").disabled = this.mode === "flicker";
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(button.dataset.zoom === String(this.zoom)));
    }
  }

  fitCanvas() {
    const original = this.cache.images.get(this.item.original);
    const ratio = window.devicePixelRatio || 1;
    const shown = this.canvas.clientWidth;
    const high = shown * (original.naturalHeight / original.naturalWidth);
    this.canvas.width = Math.round(shown * ratio);
    this.canvas.height = Math.round(Math.min(high, window.innerHeight * 0.8) * ratio);
    this.canvas.style.height = `${this.canvas.height / ratio}px`;
    // a finger on the whole picture scrolls the page, on a part of it moves the picture
    this.canvas.style.touchAction = this.zoom === "fit" ? "pan-y" : "none";
  }

  paintPart(shot, from, to) {
    const { view } = this;
    const gain = Number(byId("compare-gain").value);
    const picture =
      this.mode === "difference" || this.mode === "heat"
        ? this.cache.difference(shot.source, this.item.original, gain, this.mode === "heat")
        : this.cache.images.get(shot.source);
    const context = this.canvas.getContext("2d");
    context.imageSmoothingEnabled = view.scale < 1;
    context.save();
    context.beginPath();
    context.rect(from, 0, to - from, this.canvas.height);
    context.clip();
    context.drawImage(picture, view.x, view.y, view.width * view.scale, view.height * view.scale);
    context.restore();
  }

  // What is in sight of original, left and right, beside each other with their captions, at the
  // scale of the view and at least pixel by pixel.
  crop() {
    const { view, canvas } = this;
    const [x0, y0] = view.pixel([0, 0]).map((value) => Math.max(0, Math.floor(value)));
    const [x1, y1] = view.pixel([canvas.width, canvas.height]);
    const wide = Math.min(view.width, Math.ceil(x1)) - x0;
    const high = Math.min(view.height, Math.ceil(y1)) - y0;
    const scale = Math.max(1, Math.round(view.scale));
    const text = Math.max(12, Math.round((wide * scale) / 28));
    const made = newCanvas(3 * wide * scale + 2 * text, high * scale + 2 * text);
    const context = made.getContext("2d");
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, made.width, made.height);
    context.fillStyle = "#000000";
    context.font = `${text}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.imageSmoothingEnabled = false;
    const original = { codec: ORIGINAL, source: this.item.original };
    [original, this.left, this.right].forEach((shot, place) => {
      const start = place * (wide * scale + text);
      const picture = this.cache.images.get(shot.source);
      const size = [wide * scale, high * scale];
      context.drawImage(picture, x0, y0, wide, high, start, 0, ...size);
      context.fillText(caption(shot, null), start + size[0] / 2, size[1] + 1.4 * text, size[0]);
    });
    return made;
  }

  // A place of the pointer in canvas pixels.
  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    const ratio = this.canvas.width / this.canvas.clientWidth;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  }

  drag([fromX, fromY], [toX, toY]) {
    const { view } = this;
    const moved = [
      (toX - fromX) / view.scale / view.width,
      (toY - fromY) / view.scale / view.height,
    ];
    this.centre = this.centre.map((value, i) => Math.min(1, Math.max(0, value - moved[i])));
    this.paint();
  }

  zoomAt(place, closer) {
    const { view } = this;
    const [x, y] = view.pixel(place);
    this.centre = [x / view.width, y / view.height];
    const step = ZOOMS.indexOf(this.zoom) + (closer ? 1 : -1);
    this.zoom = ZOOMS[Math.min(ZOOMS.length - 1, Math.max(0, step))];
    this.paint();
  }

  describePixel(place) {
    const { view } = this;
    const [x, y] = view.pixel(place).map(Math.floor);
    if (x < 0 || y < 0 || x >= view.width || y >= view.height) return;
    const start = 4 * (y * view.width + x);
    const at = (source) =>
      this.cache
        .pixelsOf(source)
        .data.slice(start, start + 3)
        .join(" ");
    const parts = [`pixel ${x}, ${y}: original ${at(this.item.original)}`];
    for (const shot of [this.left, this.right]) {
      if (shot.codec !== ORIGINAL) parts.push(`${shot.codec} ${at(shot.source)}`);
    }
    byId("compare-pixel").textContent = parts.join(" · ");
  }
}

function setUpCompare() {
  const shown = report.data.pictures;
  byId("compare-note").textContent = report.data.pictures_note;
  if (!shown.length) {
    byId("compare").hidden = report.data.media === "vector";
    byId("compare-none").hidden = false;
    byId("compare-none").textContent =
      report.data.pictures_note ||
      "No reconstruction was kept: run with --keep N to see the first N here. " +
        "After a run it codes again only what it needs.";
    byId("compare-body").hidden = true;
    return;
  }
  fillSelect(
    "compare-item",
    shown.map((item, index) => [index, item]),
  );
  const comparison = new Comparison(byId("compare-view"));
  report.comparison = comparison;
  setUpChoosers(comparison);
  setUpPointer(comparison);
  setUpKeys(comparison);
  window.addEventListener("resize", () => comparison.paint());
  section("compare", () => comparison.load());
}

function setUpChoosers(comparison) {
  const on = (id, act, event = "change") => byId(id).addEventListener(event, act);
  on("compare-item", () => comparison.chooseItem());
  on("compare-left", () => comparison.chooseCodec());
  on("compare-right", () => comparison.chooseShots());
  on("compare-rate", () => comparison.chooseShots());
  on("compare-mode", () => {
    comparison.byHand = false;
    comparison.paint();
  });
  on("compare-split", () => comparison.paint(), "input");
  on("compare-gain", () => {
    comparison.cache.maps.clear();
    comparison.paint();
  });
  byId("compare-save").addEventListener("click", () => {
    if (!comparison.ready) return;
    const sides = [comparison.left, comparison.right].map((shot) => shot.codec);
    const name = fileName([comparison.item.item, ...sides, "crop"], "png");
    comparison.crop().toBlob((blob) => save(name, blob));
  });
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      comparison.zoom = button.dataset.zoom === "fit" ? "fit" : Number(button.dataset.zoom);
      comparison.paint();
    });
  }
  window.setInterval(() => {
    if (comparison.mode !== "flicker" || comparison.byHand) return;
    comparison.showsRight = !comparison.showsRight;
    comparison.paint();
  }, FLICKER_MILLISECONDS);
}

function setUpPointer(comparison) {
  const { canvas } = comparison;
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    last = comparison.placeOf(event);
    canvas.setPointerCapture(event.pointerId);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, () => {
      last = null;
    });
  }
  canvas.addEventListener("pointermove", (event) => {
    if (!comparison.ready) return;
    const place = comparison.placeOf(event);
    if (last) {
      comparison.drag(last, place);
      last = place;
    } else {
      comparison.describePixel(place);
    }
  });
  const wheel = (event) => {
    event.preventDefault();
    comparison.zoomAt(comparison.placeOf(event), event.deltaY < 0);
  };
  canvas.addEventListener("wheel", wheel, { passive: false });
}

// Keys act while the pointer is over the pictures or they have the focus, and nowhere else: a
// chooser keeps its own arrows, the page its space.
function setUpKeys(comparison) {
  const { canvas } = comparison;
  const act = {
    ArrowRight: () => comparison.step("compare-right", 1),
    ArrowLeft: () => comparison.step("compare-right", -1),
    ArrowUp: () => comparison.stepRate(1),
    ArrowDown: () => comparison.stepRate(-1),
    " ": () => comparison.flick(),
    Escape: () => comparison.split(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !comparison.ready) return;
    const focus = document.activeElement;
    const chooser = focus && focus.matches("select, input, button, summary, a");
    if (focus !== canvas && (chooser || !canvas.matches(":hover"))) return;
    const digit = /^[0-9]$/.test(event.key);
    if (!digit && !act[event.key]) return;
    event.preventDefault();
    if (digit) comparison.chooseRight(Number(event.key));
    else act[event.key]();
  });
}
