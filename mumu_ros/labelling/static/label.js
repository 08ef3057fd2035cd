"use strict";
// Times are seconds from the first sample. Labels are kept in order and never overlap.

const LEAST = 0.05;              // shortest segment, seconds
const EDGE = 7;                  // how near, in pixels, the mouse takes hold of an edge
const CLICK = 3;                 // farthest that the mouse moves in a click, in pixels
const ROWS = { overview: 16, ruler: 22, labels: 40, trace: 52 };
const COLORS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b07aa1", "#76b7b2", "#edc948", "#9c755f", "#d37295", "#86bcb6", "#8cd17d", "#a0cbe8",
  "#6b6ecf", "#b5762a", "#2f7f5f", "#c9575f", "#8a6d9e", "#3f8f96", "#b79a1d", "#7c6a5a"];
const AXES = ["#d1495b", "#2f9e62", "#2f6fb5", "#8f6bb3", "#c98a1b", "#5b6472"];

const $ = (id) => document.getElementById(id);
const canvas = $("timeline"), context = canvas.getContext("2d");

let recording, labels = [], activities = [], selected = null, current = null;
let time = 0, workedAt = 0, view = { start: 0, end: 1 }, mark = null, playing = false, drag = null;
let undo = [], saved = "", basis = "", saving = false, kept = false, offered = null, envelopes = {};

start();

async function start() {
  try {
    recording = await get("recording");
  } catch (error) {
    return say(`The recording cannot be shown: ${error.message}`, "bad");
  }
  document.title = `${recording.name} · mumu label`;
  $("name").textContent = recording.name;
  labels = recording.labels.map((label) => ({ ...label }));
  saved = JSON.stringify(labels);
  basis = written(labels);
  const left = unsaved(), isCurrent = left?.basis === basis;
  offered = left?.key ?? null;
  if (left) undo.push(isCurrent ? saved : JSON.stringify(left.labels));
  if (isCurrent) labels = left.labels;
  for (const [group, names] of Object.entries(recording.groups)) for (const activity of names) activities.push({ group, activity });
  learn();
  current = activities[0] ?? null;
  view = { start: 0, end: recording.duration };
  if (recording.problems.length) {
    $("problems").hidden = false;
    $("problems").firstElementChild.textContent = `${recording.problems.length} things to know about this recording`;
    for (const text of recording.problems) $("problems").lastElementChild.append(element("li", text));
  }
  for (const camera of recording.cameras) addCamera(camera);
  bind();
  new ResizeObserver(() => requestAnimationFrame(resize)).observe(canvas);
  changed();
  if (isCurrent && kept) forget();  // it is this tab's now
  if (isCurrent) say(`These ${labels.length} segments were not saved last time; Undo shows the ${recording.labels.length} that were`, "bad");
  else if (left) say(`${recording.target} has changed since: Undo shows the ${left.labels.length} segments that were not saved, to save them instead of these`, "bad");
  seek(0);
}

// ---- server ----

async function get(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error(`nobody answers; start mumu label again, with --port ${location.port}, and open the address that it prints`);
  }
  if (answer.status === 403) throw new Error("mumu label has been started again; open the address that it printed");
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

async function save() {
  if (saving) return;
  const text = JSON.stringify(labels);
  const unnamed = labels.find((label) => !label.activity);
  if (unnamed) {
    select(unnamed);
    return say("This segment has no activity yet: choose one", "bad");
  }
  saving = true;
  try {
    const body = JSON.stringify({ version: recording.version, labels });
    const answer = await get("labels", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    recording.version = answer.version;
    recording.saved = true;
    saved = text;
    basis = written(JSON.parse(text));
    changed();
    forget();
    if (JSON.stringify(labels) === text) say(`Saved ${answer.saved} segments in ${recording.target}`, "good");
  } catch (error) {
    keep();
    say(`Not saved: ${error.message}; ${kept ? "this browser keeps the segments" : "this browser keeps nothing, do not close this page"}`, "bad");
  }
  saving = false;
}

// ---- what is not saved ----

// The browser keeps it for each tab, for the next page of this label file at this port: a server that is started again has another address.
const keptFor = () => `mumu label ${recording.place} ${recording.start_ns} `;
const keptAs = () => keptFor() + (sessionStorage.tab ??= crypto.randomUUID());

// Labels as the label file has them, whether the page or the server says so.
const written = (rows) => rows.map((row) => [row.start.toFixed(6), row.end.toFixed(6), row.group, row.activity].join().normalize()).join("\n");

function keep() {
  const text = JSON.stringify(labels);
  try {
    if (labels.length && text !== saved) {
      localStorage.setItem(keptAs(), JSON.stringify({ basis, labels, at: Date.now() }));
      kept = true;
    } else if (kept) {
      localStorage.removeItem(keptAs());
      kept = false;
    }
  } catch {
    kept = false;  // there is no room, or the browser is set to keep nothing
  }
}

// What this tab has left, else what another one has left last, and the key of it.
function unsaved() {
  try {
    const own = keptAs(), keys = Object.keys(localStorage).filter((key) => key.startsWith(keptFor()));
    const left = keys.map((key) => ({ key, ...JSON.parse(localStorage.getItem(key)) }))
      .filter((row) => JSON.stringify(row.labels) !== saved);
    return left.sort((a, b) => (b.key === own) - (a.key === own) || b.at - a.at)[0] ?? null;
  } catch {
    return null;
  }
}

// What was left, and this page has shown; another tab keeps its own again if it is still there.
function forget() {
  if (offered && !(kept && offered === keptAs())) localStorage.removeItem(offered);
  offered = null;
}

// Another tab has written here: one that is a copy of this one has its name, too.
function keepElsewhere(event) {
  if (event.key !== keptAs()) return;
  sessionStorage.removeItem("tab");
  keep();
}

// ---- cameras ----

function addCamera(camera) {
  const figure = element("figure"), caption = element("figcaption", camera.topic);
  camera.image = document.createElement("img");
  camera.image.alt = camera.topic;
  camera.caption = caption;
  figure.append(camera.image, caption);
  $("cameras").append(figure);
}

// One request at a time: while one is under way, only the newest wish is remembered.
async function show(camera) {
  if (camera.busy) return;
  camera.busy = true;
  while (camera.shown !== nearest(camera.stamps, time)) {
    const index = camera.shown = nearest(camera.stamps, time);
    try {
      const answer = await fetch(`frame?camera=${recording.cameras.indexOf(camera)}&index=${index}`);
      if (answer.ok) {
        const url = URL.createObjectURL(await answer.blob());
        camera.image.src = url;
        await camera.image.decode().catch(() => {});
        URL.revokeObjectURL(url);
      }
      camera.caption.textContent = answer.ok ? camera.topic : `${camera.topic}: ${(await answer.json()).error}`;
    } catch {
      camera.caption.textContent = `${camera.topic}: nobody answers`;
    }
  }
  camera.busy = false;
}

function nearest(stamps, when) {
  let low = 0, high = stamps.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (stamps[middle] <= when + 1e-7) low = middle; else high = middle - 1;
  }
  return low;
}

// ---- labels ----

function remember() {
  undo.push(JSON.stringify(labels));
  if (undo.length > 200) undo.shift();
}

function takeBack() {
  if (!undo.length) return;
  labels = JSON.parse(undo.pop());
  learn();
  selected = null;
  say("");
  changed();
}

// What is free around a time: [end of the segment before, start of the one after].
function room(when, except = null) {
  let low = 0, high = recording.duration;
  for (const label of labels) {
    if (label === except) continue;
    if (label.end <= when) low = Math.max(low, label.end);
    else if (label.start >= when) high = Math.min(high, label.start);
    else return null;
  }
  return [low, high];
}

function add(from, to) {
  const begin = Math.min(from, to), end = Math.max(from, to), free = room(from) ?? room(to);
  if (!free) return say("There is a segment here already", "bad");
  const label = { start: Math.max(begin, free[0]), end: Math.min(end, free[1]), group: current?.group ?? "", activity: current?.activity ?? "" };
  if (label.end - label.start < LEAST) return say(`A segment is at least ${LEAST} s long`, "bad");
  remember();
  labels.push(label);
  labels.sort((a, b) => a.start - b.start);
  selected = label;
  workedAt = time;
  if (!current) $("new-activity").focus();
  changed();
  if (label.start > begin || label.end < end) say(`${label.start.toFixed(2)} to ${label.end.toFixed(2)} s only: there is a segment beyond`, "bad");
}

function remove() {
  if (!selected) return;
  remember();
  labels = labels.filter((label) => label !== selected);
  selected = null;
  changed();
}

function moveEdge(label, edge, when) {
  const [low, high] = room((label.start + label.end) / 2, label);
  // An imported segment may be shorter, with a neighbour beside it, or lie outside the recording.
  if (edge === "start") label.start = Math.max(Math.min(when, label.end - LEAST), Math.min(low, label.start));
  else label.end = Math.min(Math.max(when, label.start + LEAST), Math.max(high, label.end));
}

// Activities of segments can be chosen.
function learn() {
  for (const { group, activity } of labels) {
    if (activity && !activities.some((a) => a.activity === activity && a.group === group)) activities.push({ group, activity });
  }
}

// An activity has one group: all its segments move to it.
function regroup(activity, group) {
  const others = labels.filter((label) => label.activity === activity && label.group !== group);
  if (others.length) remember();
  for (const label of others) label.group = group;
  const [first, ...rest] = activities.filter((a) => a.activity === activity);
  if (first) first.group = group;
  activities = activities.filter((a) => !rest.includes(a));
}

// An activity is that of the selected segment until the time has left it, and then that of the next ones.
function choose(activity) {
  current = activity;
  if (selected?.activity && time !== workedAt && (time < selected.start || time > selected.end)) {
    select(null);
    return say(`The next segments are of ${activity.activity}`);
  }
  if (selected && (selected.activity !== activity.activity || selected.group !== activity.group)) {
    remember();
    Object.assign(selected, activity);
  }
  changed();
}

function select(label) {
  selected = label;
  workedAt = time;
  if (label) current = activities.find((a) => a.activity === label.activity && a.group === label.group) ?? current;
  if (label && (label.end < view.start || label.start > view.end)) look(label.start - (view.end - view.start) / 4);
  changed();
}

function step(by) {
  if (!labels.length) return;
  const before = labels.filter((label) => label.start < time).length;
  const at = selected ? labels.indexOf(selected) + by : by > 0 ? before : before - 1;
  visit(labels[Math.min(Math.max(at, 0), labels.length - 1)]);
}

function visit(label) {
  select(label);
  seek(label.start);
  workedAt = time;  // the segment may lie beyond the recording
}

const colorOf = (activity) => {
  const index = activities.findIndex((a) => a.activity === activity);
  return index < 0 ? "#c0392b" : COLORS[index % COLORS.length];
};

// ---- panels ----

function changed() {
  const dirty = JSON.stringify(labels) !== saved;
  const covered = labels.reduce((sum, label) => sum + Math.max(Math.min(label.end, recording.duration) - Math.max(label.start, 0), 0), 0);
  $("save").disabled = !labels.length || (!dirty && recording.saved);
  $("undo").disabled = !undo.length;
  $("summary").textContent = `${recording.duration.toFixed(1)} s, ${Math.round(100 * covered / recording.duration)} % labelled`;
  $("count").textContent = labels.length || "";
  if (!labels.length && recording.saved) say(`A label file has at least one segment; to have none, remove ${recording.target}`);
  else if (dirty) say(labels.length ? "Not saved yet" : "");
  else if (labels.length && !recording.saved) say(`Not saved in ${recording.target} yet`);
  keep();
  showActivities();
  showSegments();
  draw();
}

function showActivities() {
  const groups = new Map();
  for (const activity of activities) {
    if (!groups.has(activity.group)) groups.set(activity.group, []);
    groups.get(activity.group).push(activity);
  }
  $("activities").replaceChildren(...[...groups].map(([group, members]) => {
    const box = element("div");
    box.append(element("h3", group || "no group"), ...members.map((activity) => {
      const chip = element("button", activity.activity), number = activities.indexOf(activity) + 1;
      chip.className = "chip";
      chip.style.borderLeftColor = colorOf(activity.activity);
      chip.setAttribute("aria-pressed", activity === current);
      if (number < 10) chip.append(element("kbd", number));
      chip.onclick = () => choose(activity);
      return chip;
    }));
    return box;
  }));
  $("groups").replaceChildren(...[...groups.keys()].filter(Boolean).map((group) => {
    const option = element("option");
    option.value = group;
    return option;
  }));
}

function showSegments() {
  let shown = null;
  $("segments").replaceChildren(...labels.map((label) => {
    const row = element("li"), name = element("span", label.activity || "choose an activity");
    name.className = label.activity ? "" : "unnamed";
    row.style.borderLeftColor = colorOf(label.activity);
    row.append(name, element("time", `${hundredths(label.start)} – ${hundredths(label.end)}`));
    row.onclick = () => visit(label);
    if (label === selected) (shown = row).setAttribute("aria-current", "true");
    return row;
  }));
  shown?.scrollIntoView({ block: "nearest" });
}

const hundredths = (seconds) => (Math.round(100 * seconds) / 100 || 0).toFixed(2);  // without a zero below zero

function say(text, kind = "") {
  $("status").textContent = text;
  $("status").className = kind;
}

function element(tag, text = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

// ---- time ----

function seek(when) {
  time = Math.min(Math.max(when, 0), recording.duration);
  if (time < view.start || time > view.end) look(playing ? time : time - (view.end - view.start) / 2);
  $("clock").textContent = `${time.toFixed(3)} s`;
  recording.cameras.forEach(show);
  draw();
}

// To another frame of the first camera; by a thirtieth of a second where that has begun late or ended early.
function stepFrame(by) {
  const stamps = recording.cameras[0]?.stamps ?? [];
  const inside = stamps[0] <= time + 1e-7 && time <= stamps.at(-1) + 1e-7;
  seek((inside ? stamps[nearest(stamps, time) + by] : null) ?? time + by / 30);
}

function play() {
  playing = !playing;
  $("play").textContent = playing ? "❚❚" : "▶";
  let before = performance.now();
  const tick = (now) => {
    if (!playing) return;
    seek(time + (now - before) / 1000 * Number($("speed").value));
    before = now;
    if (time >= recording.duration) play(); else requestAnimationFrame(tick);
  };
  if (playing) {
    if (time >= recording.duration) seek(0);
    requestAnimationFrame(tick);
  }
}

// ---- view ----

function look(from, width = view.end - view.start) {
  width = Math.min(Math.max(width, 0.5), recording.duration);
  const begin = Math.min(Math.max(from, 0), recording.duration - width);
  view = { start: begin, end: begin + width };
  fetchTraces();
  draw();
}

function zoom(factor, around = time) {
  const width = Math.min(Math.max((view.end - view.start) * factor, 0.5), recording.duration);
  look(around - (around - view.start) * width / (view.end - view.start), width);
}

let asked = 0;
async function fetchTraces() {
  const number = ++asked, { start, end } = view;
  await new Promise((done) => setTimeout(done, 40));
  if (number !== asked) return;
  const bins = Math.max(Math.round(canvas.clientWidth), 1);
  try {
    const found = await Promise.all(recording.traces.map((_, i) => get(`trace?trace=${i}&start=${start}&end=${end}&bins=${bins}`)));
    if (number !== asked) return;
    envelopes = { start, end, bins, found };
    draw();
  } catch (error) {
    say(error.message, "bad");
  }
}

function resize() {
  const height = ROWS.overview + ROWS.ruler + ROWS.labels + ROWS.trace * recording.traces.length;
  canvas.style.height = `${height + 2}px`;  // and its border
  const scale = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(height * scale);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  fetchTraces();
  draw();
}

const toX = (when) => (when - view.start) / (view.end - view.start) * canvas.clientWidth;
const toTime = (x) => view.start + x / canvas.clientWidth * (view.end - view.start);

function draw() {
  const width = canvas.clientWidth, height = canvas.clientHeight;
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  context.textBaseline = "middle";
  drawOverview(width);
  drawRuler(width, height);
  drawLabels(width, height);
  recording.traces.forEach((trace, index) => drawTrace(trace, index, width));
  if (mark !== null) line(toX(mark), "#1a7f4b", height, [4, 3]);
  line(toX(time), "#c0392b", height);
}

function drawOverview(width) {
  const scale = width / recording.duration;
  context.fillStyle = "#eef0f4";
  context.fillRect(0, 0, width, ROWS.overview);
  for (const label of labels) {
    context.fillStyle = colorOf(label.activity);
    context.fillRect(label.start * scale, 3, Math.max((label.end - label.start) * scale - 1, 1), ROWS.overview - 6);
  }
  context.strokeStyle = "#1d2330";
  context.strokeRect(view.start * scale + 0.5, 0.5, (view.end - view.start) * scale - 1, ROWS.overview - 1);
}

function drawRuler(width, height) {
  const wish = (view.end - view.start) / width * 90;
  const unit = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600].find((u) => u >= wish) ?? 7200 * 2 ** Math.ceil(Math.log2(wish / 7200));
  const top = ROWS.overview;
  for (let tick = Math.ceil(view.start / unit) * unit; tick <= view.end; tick += unit) {
    context.fillStyle = "#eceff3";
    context.fillRect(toX(tick), top, 1, height);
    context.fillStyle = "#667085";
    context.fillText(clock(tick, unit), toX(tick) + 4, top + ROWS.ruler / 2);
  }
}

function clock(seconds, unit) {
  const digits = unit < 1 ? 1 : 0, minutes = Math.floor(seconds / 60 + 1e-9);
  return minutes ? `${minutes}:${(seconds - 60 * minutes).toFixed(digits).padStart(digits ? 4 : 2, "0")}` : `${seconds.toFixed(digits)} s`;
}

function drawLabels(width, height) {
  const top = ROWS.overview + ROWS.ruler;
  context.fillStyle = "#fafbfc";
  context.fillRect(0, top, width, ROWS.labels);
  const shown = drag?.kind === "new" ? [...labels, { start: Math.min(drag.from, drag.to), end: Math.max(drag.from, drag.to), activity: current?.activity ?? "" }] : labels;
  for (const label of shown) {
    const x = toX(label.start), w = Math.max(toX(label.end) - x, 2), color = colorOf(label.activity);
    if (x > width || x + w < 0) continue;
    context.fillStyle = color + (label === selected ? "22" : "11");
    context.fillRect(x, top, w, height);
    context.fillStyle = color;
    context.fillRect(x, top + 4, w - 1, ROWS.labels - 8);
    if (label === selected) {
      context.strokeStyle = "#1d2330";
      context.lineWidth = 2;
      context.strokeRect(x + 1, top + 5, w - 3, ROWS.labels - 10);
      context.lineWidth = 1;
    }
    context.save();
    context.beginPath();
    context.rect(x, top, w - 4, ROWS.labels);
    context.clip();
    context.fillStyle = "#fff";
    context.font = "600 12px system-ui, 'DejaVu Sans', sans-serif";
    context.fillText(label.activity || "?", Math.max(x, 0) + 7, top + ROWS.labels / 2);
    context.restore();
  }
}

function drawTrace(trace, index, width) {
  const top = ROWS.overview + ROWS.ruler + ROWS.labels + ROWS.trace * index;
  context.fillStyle = "#dfe3ea";
  context.fillRect(0, top, width, 1);
  const { start, end, bins, found = [] } = envelopes, span = trace.high - trace.low || 1;
  const toY = (value) => top + ROWS.trace - 4 - Math.min(Math.max((value - trace.low) / span, -0.05), 1.05) * (ROWS.trace - 8);
  const step = (end - start) / bins;
  (found[index] ?? []).forEach((rows, channel) => {
    context.strokeStyle = AXES[channel % AXES.length];
    context.beginPath();
    rows.forEach(([bin, low, high], i) => {
      const x = toX(start + (bin + 0.5) * step);
      // A gap of more than a fifth of a second is one: nothing is drawn over it.
      if (i && (bin - rows[i - 1][0]) * step < Math.max(0.2, 3 * step)) context.lineTo(x, toY(low)); else context.moveTo(x, toY(low));
      context.lineTo(x, toY(high));
    });
    context.stroke();
  });
  context.fillStyle = "#ffffffcc";
  context.fillRect(4, top + 3, context.measureText(trace.name).width + 8, 16);
  context.fillStyle = "#667085";
  context.fillText(trace.name, 8, top + 11);
}

function line(x, color, height, dash = []) {
  context.setLineDash(dash);
  context.strokeStyle = color;
  context.beginPath();
  context.moveTo(Math.round(x) + 0.5, ROWS.overview);
  context.lineTo(Math.round(x) + 0.5, height);
  context.stroke();
  context.setLineDash([]);
}

// ---- mouse and keys ----

// What is under the mouse: a row, and in the row of labels a segment and perhaps its edge.
function under(event) {
  const x = event.offsetX, y = event.offsetY;
  if (y < ROWS.overview) return { row: "overview", x };
  const inLabels = y >= ROWS.overview + ROWS.ruler && y < ROWS.overview + ROWS.ruler + ROWS.labels;
  if (!inLabels) return { row: "time", x };
  const near = (label, edge) => Math.abs(toX(label[edge]) - x) <= EDGE;
  const label = (selected && (near(selected, "start") || near(selected, "end")) ? selected : null)
    ?? labels.find((l) => toX(l.start) <= x && x <= toX(l.end)) ?? labels.find((l) => near(l, "start") || near(l, "end"));
  const edge = label && (near(label, "start") ? "start" : near(label, "end") ? "end" : null);
  return { row: "labels", x, label, edge };
}

function bind() {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    const at = under(event), when = toTime(at.x);
    if (at.row === "overview") drag = { kind: "view" };
    else if (at.row === "time") drag = { kind: "time" };
    else if (at.label) {
      select(at.label);
      drag = at.edge ? { kind: "edge", edge: at.edge, x: at.x, grip: at.label[at.edge] - when, before: JSON.stringify(labels) } : null;
    } else drag = { kind: "new", from: when, to: when, x: at.x };
    move(event);
  });
  canvas.addEventListener("pointermove", move);
  canvas.addEventListener("pointerup", (event) => {
    const finished = drag;
    drag = null;
    if (finished?.kind === "new" && Math.abs(event.offsetX - finished.x) > CLICK) add(finished.from, finished.to);
    else if (finished?.kind === "new") { select(null); seek(finished.from); }
    else if (finished?.kind === "edge") { release(finished); changed(); }
    else draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY) ? event.deltaX : event.shiftKey ? event.deltaY : 0;
    if (sideways) look(view.start + sideways / canvas.clientWidth * (view.end - view.start));
    else zoom(event.deltaY > 0 ? 1.25 : 0.8, toTime(event.offsetX));
  }, { passive: false });
  document.addEventListener("keydown", key);
  $("play").onclick = play;
  $("speed").onchange = () => $("speed").blur();
  $("in").onclick = () => zoom(0.5);
  $("out").onclick = () => zoom(2);
  $("fit").onclick = () => look(0, recording.duration);
  $("save").onclick = save;
  $("undo").onclick = takeBack;
  $("new").onsubmit = (event) => {
    event.preventDefault();
    const activity = $("new-activity").value.trim(), group = $("new-group").value.trim();
    if (!activity) return;
    if (activity.includes(",")) return say("An activity has no comma: the list of a training set cannot hold it", "bad");
    if (group) regroup(activity, group);
    let known = activities.find((a) => a.activity === activity);
    if (!known) activities.push(known = { group, activity });
    $("new").reset();
    document.activeElement.blur();
    choose(known);
  };
  window.addEventListener("storage", keepElsewhere);
  window.addEventListener("beforeunload", (event) => {
    if (JSON.stringify(labels) !== saved) event.preventDefault();
  });
}

function release(finished) {
  if (finished?.kind === "edge" && finished.before !== JSON.stringify(labels)) undo.push(finished.before);
  drag = null;
}

function move(event) {
  const at = under(event), when = Math.min(Math.max(toTime(event.offsetX) + (drag?.grip ?? 0), 0), recording.duration);
  if (!drag) {
    canvas.style.cursor = at.row !== "labels" ? "pointer" : at.edge ? "ew-resize" : at.label ? "default" : "crosshair";
    return hint(at, when);
  }
  drag.moved ||= Math.abs(event.offsetX - drag.x) > CLICK;
  if (drag.kind === "edge" && !drag.moved) return;
  if (drag.kind === "view") look(event.offsetX / canvas.clientWidth * recording.duration - (view.end - view.start) / 2);
  if (drag.kind === "new") drag.to = when;
  if (drag.kind === "edge") moveEdge(selected, drag.edge, when);
  if (drag.kind !== "view") seek(drag.kind === "edge" ? selected[drag.edge] : when);
}

function hint(at, when) {
  const label = at.label;
  $("hint").textContent = label ? `${label.group ? `${label.group} / ` : ""}${label.activity}, ${(label.end - label.start).toFixed(2)} s`
    : at.row === "labels" ? `${when.toFixed(2)} s · drag to set a segment${current ? ` of ${current.activity}` : ""}` : `${when.toFixed(2)} s`;
}

// A letter is a small one, also with Caps Lock; it is that of its place where the keyboard has no Latin letters.
function named(event) {
  if (event.key.length > 1) return event.key;
  return /[^ -~]/.test(event.key) && /^Key.$/.test(event.code) ? event.code[3].toLowerCase() : event.key.toLowerCase();
}

function key(event) {
  const typing = event.target.tagName === "INPUT", name = named(event);
  if (event.ctrlKey || event.metaKey) {
    if (name === "s") { event.preventDefault(); if (!$("save").disabled) save(); }
    if (name === "z" && !event.shiftKey && !typing) { event.preventDefault(); release(drag); takeBack(); }
    return;
  }
  if (typing || event.altKey) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const act = {
    " ": play,
    ArrowLeft: () => event.shiftKey ? seek(time - 1) : stepFrame(-1),
    ArrowRight: () => event.shiftKey ? seek(time + 1) : stepFrame(1),
    Home: () => seek(0),
    End: () => seek(recording.duration),
    i: () => { mark = time; select(null); say(`A segment begins at ${mark.toFixed(2)} s; O ends it`); },
    o: () => {
      if (mark === null) return say("I first: where does the segment begin?", "bad");
      const from = mark;
      mark = null;
      add(from, time);
    },
    "[": () => edgeHere("start"),
    "]": () => edgeHere("end"),
    n: () => step(1),
    p: () => step(-1),
    Delete: remove,
    Backspace: remove,
    "+": () => zoom(0.5),
    "=": () => zoom(0.5),
    "-": () => zoom(2),
    0: () => look(0, recording.duration),
    Escape: () => { mark = null; select(null); },
  }[name] ?? chosen(name);
  if (!act) return;
  event.preventDefault();
  if (["BUTTON", "SELECT"].includes(document.activeElement.tagName)) document.activeElement.blur();
  release(drag);
  act();
}

function chosen(digit) {
  const activity = /^[1-9]$/.test(digit) && activities[Number(digit) - 1];
  return activity ? () => choose(activity) : null;
}

function edgeHere(edge) {
  if (!selected) return say("Select a segment first", "bad");
  if (edge === "start" && time >= selected.end) return say(`The segment ends at ${hundredths(selected.end)} s and cannot begin here`, "bad");
  if (edge === "end" && time <= selected.start) return say(`The segment begins at ${hundredths(selected.start)} s and cannot end here`, "bad");
  remember();
  moveEdge(selected, edge, time);
  workedAt = time;
  changed();
}
