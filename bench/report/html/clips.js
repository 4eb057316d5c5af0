"use strict";
// Quality and bytes over the frames of a clip, and kept reconstructions that play side by side.
const clips = { item: null, videos: {}, playing: false };

function setUpClips() {
  const data = report.data.clips;
  if (!data || !data.items) {
    byId("clips").hidden = true;
    return;
  }
  const items = data.items.map((one, place) => [place, one.item]);
  fillSelect("clips-item", items).addEventListener("change", chooseClip);
  byId("clips-axis").addEventListener("change", drawFrames);
  byId("clips-note").textContent = data.note;
  for (const side of ["left", "right"]) {
    clips.videos[side] = byId(`clips-${side}-video`);
    byId(`clips-${side}`).addEventListener("change", () => loadClip(side));
    clips.videos[side].addEventListener("loadeddata", () => showFrame(clipFrame()));
  }
  byId("clips-frame").addEventListener("input", () => {
    pauseClips();
    showFrame(clipFrame());
  });
  byId("clips-play").addEventListener("click", () => (clips.playing ? pauseClips() : playClips()));
  chooseClip();
}

function clipFrame() {
  return Number(byId("clips-frame").value);
}

function chooseClip() {
  pauseClips();
  clips.item = report.data.clips.items[Number(byId("clips-item").value)];
  const item = clips.item;
  const axes = [...new Set(item.curves.flatMap((curve) => Object.keys(curve.values)))];
  const titles = Object.fromEntries(report.data.metrics.map((m) => [m.id, m.title]));
  fillSelect("clips-axis", axes.map((id) => [id, titles[id] || id]));
  const options = item.clips.map((clip, place) => [
    place,
    `${clip.codec}, ${clip.point}, ${fixed(clip.bpp, 3)} bpp`,
  ]);
  const players = item.clips.length > 0;
  byId("clips-players").hidden = !players;
  byId("clips-frames").hidden = byId("clips-quality").hidden = item.curves.length === 0;
  if (players) {
    fillSelect("clips-left", [["original", "original"], ...options]);
    fillSelect("clips-right", [["original", "original"], ...options]).value = "0";
    const lengths = item.curves.map((curve) => curve.bytes.length);
    byId("clips-frame").max = Math.max(1, ...lengths) - 1;
    byId("clips-frame").value = 0;
    loadClip("left");
    loadClip("right");
  }
  if (clips.drawn) drawFrames();
}

function clipOf(side) {
  const chosen = byId(`clips-${side}`).value;
  return chosen === "original" ? null : clips.item.clips[Number(chosen)];
}

function loadClip(side) {
  const clip = clipOf(side);
  clips.videos[side].src = clip ? clip.source : clips.item.original;
  clips.videos[side].load();
  pauseClips();
  showFrame(clipFrame());
}

// The middle of a frame's time: players may round its start to the frame before.
function timeOf(frame) {
  return (frame + 0.5) / (clips.item.fps || 25);
}

function showFrame(frame) {
  byId("clips-number").textContent = `frame ${frame}`;
  for (const side of ["left", "right"]) {
    const video = clips.videos[side];
    if (!clips.playing && video.readyState > 0) {
      video.currentTime = Math.min(timeOf(frame), Math.max(0, video.duration - 1e-3));
    }
    byId(`clips-${side}-caption`).textContent = captionOf(clipOf(side), frame);
  }
}

function captionOf(clip, frame) {
  if (!clip) return "original";
  const curve = clips.item.curves.find((c) => c.codec === clip.codec && c.point === clip.point);
  const name = `${clip.codec} ${clip.point}`;
  if (!curve) return name;
  const words = [name, curve.types[frame] ? `${curve.types[frame]} frame` : ""];
  if (curve.bytes[frame] !== null && curve.bytes[frame] !== undefined)
    words.push(`${curve.bytes[frame]} bytes`);
  for (const metric of report.data.metrics) {
    const values = curve.values[metric.id];
    if (values) words.push(`${metric.title} ${fixed(values[frame], 2)}`);
  }
  return words.filter(Boolean).join(", ");
}

function playClips() {
  clips.playing = true;
  byId("clips-play").textContent = "Pause";
  const { left, right } = clips.videos;
  if (left.ended || clipFrame() >= Number(byId("clips-frame").max)) left.currentTime = 0;
  right.currentTime = left.currentTime;
  Promise.all([left.play(), right.play()]).catch(pauseClips);
  requestAnimationFrame(followClips);
}

function pauseClips() {
  clips.playing = false;
  byId("clips-play").textContent = "Play";
  for (const video of Object.values(clips.videos)) video.pause();
}

function followClips() {
  if (!clips.playing) return;
  const { left, right } = clips.videos;
  const rate = clips.item.fps || 25;
  byId("clips-frame").value = Math.floor(left.currentTime * rate);
  if (Math.abs(left.currentTime - right.currentTime) > 1 / rate)
    right.currentTime = left.currentTime;
  showFrame(clipFrame());
  if (left.ended) pauseClips();
  else requestAnimationFrame(followClips);
}

function setUpFrames() {
  if (!report.data.clips || !report.data.clips.items) return;
  section("clips-chart", () => {
    clips.drawn = true;
    drawFrames();
  });
}

// Above the quality, below the bytes of each frame, of every codec at about one rate.
function drawFrames() {
  const axis = byId("clips-axis").value;
  const shown = clips.item.curves.filter((c) => c.matched && !report.hidden.has(c.codec));
  const traces = shown.flatMap((curve) => {
    const frames = curve.bytes.map((_, place) => place);
    const look = lookOf(curve.codec);
    const line = { color: colourOf(curve.codec), dash: look.dash, width: 1.6 };
    const name = `${plotText(curve.codec)}, ${plotText(curve.point)}, ${fixed(curve.bpp, 3)} bpp`;
    const types = curve.types.map((type) => (type ? `${type} frame` : ""));
    const common = { x: frames, type: "scatter", mode: "lines", line, text: types };
    return [
      { ...common, y: curve.values[axis] || [], name, legendgroup: name },
      {
        ...common,
        y: curve.bytes,
        name,
        legendgroup: name,
        showlegend: false,
        yaxis: "y2",
        line: { ...line, shape: "hvh" },
      },
    ];
  });
  const metric = report.data.metrics.find((m) => m.id === axis);
  const title = metric && metric.unit ? `${metric.title} (${metric.unit})` : axis;
  // the legend has room of its own below the curves: a line a codec in a narrow window, else three
  const high = window.innerWidth < 640 ? 340 : 440;
  const room = 20 * Math.ceil(shown.length / (window.innerWidth < 640 ? 1 : 3)) + 20;
  byId("clips-chart").style.height = `${high + room}px`;
  const legend = { orientation: "h", y: -60 / (high - 84), yanchor: "top", x: 0 };
  const layout = chartLayout({
    layout: {
      showlegend: true,
      legend,
      hovermode: "closest",
      height: high + room,
      margin: { l: 60, r: 15, t: 15, b: 50 + room },
    },
    xaxis: { title: { text: "frame" }, anchor: "y2" },
    yaxis: { title: { text: title }, domain: [0.42, 1] },
  });
  layout.yaxis2 = { ...layout.yaxis, title: { text: "bytes" }, domain: [0, 0.36], type: "log" };
  draw("clips-chart", traces, layout, { tools: true });
  const rate = fixed(clips.item.rate, 3);
  byId("clips-hint").textContent =
    `${clips.item.item}: of every codec the point nearest to ${rate} bpp, the middle rate of the ` +
    "anchor on this clip. Frames in the order of display; bytes where the codec tells them.";
}
