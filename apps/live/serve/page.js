"use strict";
const byId = (name) => document.getElementById(name);
const STAGES = {
  rate: "Frames per second", latency: "Latency", dropped: "Frames dropped",
  queue: "Waiting for its turn", decode: "Decoding the image", predict: "Prediction", draw: "Drawing",
  show: "Showing", transfer: "Sending and receiving",
};
let models = [], model = null, mode = "image", state = null;
let watching = null, lastFile = null, capture = null, paused = false, again = 0;

async function request(path, options) {
  const response = await fetch(path, options);
  const entry = await response.json();
  if (!response.ok) throw new Error(entry.error);
  return { entry, response };
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function table(columns, rows) {
  const made = element("table"), head = made.createTHead().insertRow(), body = made.createTBody();
  for (const column of columns) head.append(element("th", column));
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) row.append(cell);
  }
  return made;
}

function plain(value) {
  if (typeof value === "number") return Number.isInteger(value) ? String(value) : value.toFixed(3);
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > 120 ? text.slice(0, 117) + "…" : text;
}

function scoreCell(value) {
  const cell = element("td", undefined, "score"), meter = element("meter");
  meter.value = value;
  cell.append(meter, value.toFixed(2));
  return cell;
}

// Any task's JSON: lists of objects become tables, other values lines.
function showResults(entry) {
  const { drawn, ...rest } = entry, place = byId("results"), lines = [];
  byId("json").textContent = JSON.stringify(rest, null, 2);
  place.replaceChildren();
  const parts = [rest, ...(rest.and || [])];
  for (const part of parts) {
    if (parts.length > 1) place.append(element("h2", part.model || part.task));
    for (const [key, value] of Object.entries(part)) {
      if (["source", "width", "height", "task", "and", "model", "frame", "time"].includes(key)) continue;
      if (!Array.isArray(value) || typeof value[0] !== "object" || Array.isArray(value[0])) {
        if (Array.isArray(value) && !value.length) place.append(element("p", `no ${key}`, "soft"));
        else lines.push([element("td", key), element("td", plain(value))]);
        continue;
      }
      const names = [...new Set(value.flatMap(Object.keys))].filter((name) => !["segmentation", "embedding", "landmarks"].includes(name));
      names.sort((a, b) => (b === "label") - (a === "label") || (b === "score") - (a === "score"));
      place.append(table(names, value.map((item) => names.map((name) => {
        const cell = item[name];
        if (name === "score" && typeof cell === "number") return scoreCell(cell);
        if (name === "box" && cell) return element("td", cell.map(Math.round).join(", "));
        return element("td", cell === undefined || cell === null ? "" : plain(cell));
      }))));
    }
  }
  if (lines.length) place.append(table([], lines));
  if (!place.childNodes.length) place.append(element("span", "nothing found", "soft"));
}

function showSpeed(entries) {
  byId("speed").replaceChildren(table([], entries.map(([name, text]) => [element("td", STAGES[name] || name), element("td", text)])));
}

// "25.0 frames/s  latency 40 predict 30 draw 3 show 1 ms  dropped 0", or why there is no image.
function showFigures(line) {
  const rate = /([\d.]+) frames\/s/.exec(line), stages = [...line.matchAll(/([a-z]+) (\d+)(?= [a-z]+ \d| ms)/g)], dropped = /dropped (\d+)/.exec(line);
  if (!rate || !stages.length) {
    byId("speed").replaceChildren(element("div", line || "none yet"));
    return;
  }
  showSpeed([["rate", rate[1]], ...stages.map((found) => [found[1], `${found[2]} ms`]), ...(dropped ? [["dropped", dropped[1]]] : [])]);
}

function setMode(next) {
  const starts = next === "live" && mode !== "live";
  mode = next;
  if (starts) watch();
  // A paused page would wait for the next part forever, and browsers open few connections.
  if (mode !== "live" && watching) { watching.abort(); watching = null; }
  byId("stream").hidden = mode !== "live";
  byId("drawn").hidden = mode === "live" || !byId("drawn").src;
  byId("empty").hidden = mode === "live" || !byId("drawn").hidden;
  byId("live").hidden = mode === "live" || !state || !state.moving;
  byId("camera").textContent = mode === "camera" ? "Stop my camera" : "Use my camera";
  byId("pause").hidden = mode === "image";
  if (mode !== "camera" && capture) {
    capture.srcObject.getTracks().forEach((track) => track.stop());
    capture = null;
  }
  showPause();
}

function showPause() {
  byId("pause").textContent = (mode === "live" ? state && state.paused : paused) ? "Continue" : "Pause";
}

function chooseModel(name) {
  model = models.find((each) => each.name === name);
  byId("model").textContent = models.length > 1 ? "visus" : model.name;
  byId("about").textContent = `${model.title}, ${model.runtime} (${model.precision}), ${model.image_size[1]} × ${model.image_size[0]} pixels`;
  byId("adjust").hidden = model.threshold === null;
  if (model.threshold !== null) byId("threshold").value = model.threshold;
  byId("value").textContent = Number(byId("threshold").value).toFixed(2);
  byId("classes").hidden = !model.class_names.length;
  const count = model.class_names.length;
  byId("classes").firstElementChild.textContent = count === 1 ? "1 class name" : `${count.toLocaleString("en")} class names`;
  byId("classes").lastElementChild.textContent = model.class_names.join(", ");
}

// The parts of the stream, each drawn as soon as it is there: an img element shows it one part later.
async function watch() {
  const canvas = byId("stream"), decoder = new TextDecoder("latin1");
  const own = watching = new AbortController();
  while (watching === own) {
    try {
      const reader = (await fetch("/stream", { signal: own.signal })).body.getReader();
      let bytes = new Uint8Array(0);
      while (watching === own) {
        const { value, done } = await reader.read();
        if (done) break;
        const joined = new Uint8Array(bytes.length + value.length);
        joined.set(bytes);
        joined.set(value, bytes.length);
        bytes = joined;
        let newest = null, head;
        while ((head = /Content-Length: (\d+)\r\n\r\n/.exec(decoder.decode(bytes.subarray(0, 200))))) {
          const start = head.index + head[0].length, end = start + Number(head[1]);
          if (bytes.length < end) break;
          newest = bytes.slice(start, end);
          bytes = bytes.slice(end);
        }
        if (!newest) continue;
        const image = await createImageBitmap(new Blob([newest], { type: "image/jpeg" }));
        if (canvas.width !== image.width) canvas.width = image.width;
        if (canvas.height !== image.height) canvas.height = image.height;
        canvas.getContext("2d").drawImage(image, 0, 0);
        image.close();
      }
      reader.cancel();
    } catch (error) {
      // The server has stopped, or all places are taken: refresh() says so.
    }
    await new Promise((done) => setTimeout(done, 1000));
  }
}

async function refresh() {
  try {
    const first = state === null;
    state = (await request("/state")).entry;
    if (first && state.moving) setMode("live");
    if (mode === "live") {
      showFigures(state.figures);
      showPause();
      if (state.results) showResults(state.results);
    }
  } catch (error) {
    if (mode === "live") byId("speed").replaceChildren(element("span", "visus has stopped, or cannot be reached", "soft"));
  }
  setTimeout(refresh, 500);
}

async function predict(blob, name) {
  const query = new URLSearchParams({ drawn: "1", name, model: model.name });
  if (model.threshold !== null) query.set("threshold", byId("threshold").value);
  const start = performance.now();
  const { entry, response } = await request(`/predict?${query}`, { method: "POST", body: blob, headers: { "Content-Type": "application/octet-stream" } });
  const total = performance.now() - start;
  const stages = [...(response.headers.get("Server-Timing") || "").matchAll(/(\w+);dur=([\d.]+)/g)].map((found) => [found[1], Number(found[2])]);
  const inside = stages.reduce((sum, [, time]) => sum + time, 0);
  byId("drawn").src = entry.drawn;
  setMode(mode);
  showResults(entry);
  return [["latency", total], ...stages, ["transfer", Math.max(0, total - inside)]];
}

const inMilliseconds = (figures) => figures.map(([name, time]) => [name, `${time.toFixed(time < 10 ? 1 : 0)} ms`]);

async function predictFile(file) {
  byId("message").textContent = "";
  if (file.size > MAX_BYTES) {
    byId("message").textContent = `${file.name}: ${Math.round(file.size / 2 ** 20)} MB is too large; ${MAX_BYTES / 2 ** 20} MB at most`;
    return;
  }
  lastFile = file;
  setMode("image");
  try {
    showSpeed(inMilliseconds(await predict(file, file.name)));
  } catch (error) {
    byId("message").textContent = `${file.name}: ${error.message}`;
  }
}

async function useCamera() {
  if (mode === "camera") return setMode(state && state.moving ? "live" : "image");
  byId("message").textContent = "";
  try {
    if (!navigator.mediaDevices) throw new Error("the browser opens its camera on localhost and over HTTPS only");
    const video = element("video");
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
    video.muted = true;
    await video.play();
    capture = video;
  } catch (error) {
    byId("message").textContent = `Camera: ${error.message}`;
    return;
  }
  paused = false;
  setMode("camera");
  const canvas = element("canvas"), times = [];
  while (mode === "camera") {
    if (paused) { await new Promise((done) => setTimeout(done, 100)); continue; }
    canvas.width = capture.videoWidth;
    canvas.height = capture.videoHeight;
    canvas.getContext("2d").drawImage(capture, 0, 0);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.85));
    try {
      const figures = await predict(blob, "camera");
      times.push(performance.now());
      if (times.length > 20) times.shift();
      const rate = times.length > 1 ? (1000 * (times.length - 1) / (times.at(-1) - times[0])).toFixed(1) : "–";
      showSpeed([["rate", rate], ...inMilliseconds(figures)]);
      byId("message").textContent = "";
    } catch (error) {
      byId("message").textContent = `Camera: ${error.message}`;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
}

async function togglePause() {
  if (mode === "live") state = (await request("/pause", { method: "POST" })).entry;
  else paused = !paused;
  showPause();
}

byId("pause").addEventListener("click", togglePause);
byId("camera").addEventListener("click", useCamera);
byId("live").addEventListener("click", () => setMode("live"));
byId("models").addEventListener("change", (event) => { chooseModel(event.target.value); if (mode === "image" && lastFile) predictFile(lastFile); });
byId("threshold").addEventListener("input", (event) => {
  byId("value").textContent = Number(event.target.value).toFixed(2);
  clearTimeout(again);
  again = setTimeout(() => {
    if (mode === "live") model.threshold = Number(byId("threshold").value);
    if (mode === "live") request(`/threshold?${new URLSearchParams({ model: model.name, value: byId("threshold").value })}`, { method: "POST" });
    else if (mode === "image" && lastFile) predictFile(lastFile);
  }, 150);
});
byId("file").addEventListener("change", (event) => {
  if (event.target.files.length) predictFile(event.target.files[0]);
  event.target.value = "";
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ["INPUT", "SELECT", "BUTTON", "SUMMARY"].includes(event.target.tagName)) return;
  if (event.key === " " && mode !== "image") { event.preventDefault(); togglePause(); }
  if (event.key === "c") useCamera();
  if (event.key === "o") byId("file").click();
});
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("over"); });
addEventListener("dragleave", () => document.body.classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer.files.length) predictFile(event.dataTransfer.files[0]);
});
request("/models").then(({ entry }) => {
  models = entry.models;
  for (const each of models) byId("models").append(new Option(`${each.name} (${each.title})`, each.name));
  byId("models").hidden = models.length < 2;
  chooseModel(models[0].name);
  refresh();
});
