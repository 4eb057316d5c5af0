"use strict";
// Pictures of the comparison: decoded ones, their differences, and the part of them in sight.
// The part of the picture in sight: scale in canvas pixels per picture pixel, and its offset.
class View {
  constructor(canvas, picture, zoom, centre) {
    this.width = picture.naturalWidth;
    this.height = picture.naturalHeight;
    const ratio = Math.max(1, Math.round(window.devicePixelRatio || 1));
    const fit = Math.min(canvas.width / this.width, canvas.height / this.height);
    this.scale = zoom === "fit" ? fit : zoom * ratio;
    this.x = this.offset(centre[0], this.width, canvas.width);
    this.y = this.offset(centre[1], this.height, canvas.height);
  }

  offset(centre, size, room) {
    const half = room / this.scale / 2;
    const whole = size * this.scale <= room;
    const middle = whole ? size / 2 : Math.min(Math.max(centre * size, half), size - half);
    return room / 2 - middle * this.scale;
  }

  // Where a place of the canvas lies in the picture, in its pixels.
  pixel([x, y]) {
    return [(x - this.x) / this.scale, (y - this.y) / this.scale];
  }
}

// Decoded pictures of one item, their pixels and their difference maps, by address.
class PictureCache {
  constructor() {
    this.clear();
  }

  clear() {
    this.images = new Map();
    this.pixels = new Map();
    this.maps = new Map();
  }

  async load(source) {
    if (this.images.has(source)) return;
    const image = new Image();
    image.src = source;
    await image.decode();
    this.images.set(source, image);
  }

  pixelsOf(source) {
    if (!this.pixels.has(source)) {
      const image = this.images.get(source);
      const canvas = newCanvas(image.naturalWidth, image.naturalHeight);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(image, 0, 0);
      this.pixels.set(source, context.getImageData(0, 0, canvas.width, canvas.height));
    }
    return this.pixels.get(source);
  }

  // |reconstruction − original| · gain, black where they agree; as a heat map the mean of the
  // three channels.
  difference(source, reference, gain, heat) {
    const key = `${heat} ${source}`;
    if (!this.maps.has(key)) {
      const original = this.pixelsOf(reference).data;
      const other = this.pixelsOf(source).data;
      const { width, height } = this.pixelsOf(reference);
      const map = new ImageData(width, height);
      for (let i = 0; i < map.data.length; i += 4) {
        const errors = [0, 1, 2].map((c) => gain * Math.abs(original[i + c] - other[i + c]));
        map.data.set(heat ? heatColour((errors[0] + errors[1] + errors[2]) / 3) : errors, i);
        map.data[i + 3] = 255;
      }
      const canvas = newCanvas(width, height);
      canvas.getContext("2d").putImageData(map, 0, 0);
      this.maps.set(key, canvas);
    }
    return this.maps.get(key);
  }
}

// Of an error of 0 to 255: black, red, yellow, white, each darker than the next in grey as well.
function heatColour(error) {
  const part = (3 * Math.min(255, error)) / 255;
  return [0, 1, 2].map((start) => 255 * Math.min(1, Math.max(0, part - start)));
}

function newCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}
