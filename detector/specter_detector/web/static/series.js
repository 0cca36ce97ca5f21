"use strict";
// One series: loads its stretch, draws it, and sends what is tried and what is said of it.
const page = document.getElementById("main").dataset;
const chart = document.getElementById("chart");
const byId = (id) => document.getElementById(id);
const series = { query: page.query, labels: JSON.parse(page.labels), ...(page.model ? { model: page.model } : {}) };
let shown = null;
let tried = null;

class ProblemError extends Error {}

async function ask(path, options = {}) {
  const token = document.querySelector('meta[name="specter-token"]').content;
  const headers = { Accept: "application/json", ...(options.method ? { "X-Specter-Token": token } : {}), ...(options.body ? { "Content-Type": "application/json" } : {}) };
  const answer = await fetch(path, { ...options, headers });
  const kind = answer.headers.get("Content-Type") || "";
  const body = kind.includes("json") ? await answer.json() : { detail: await answer.text(), action: "" };
  if (!answer.ok) throw new ProblemError(`${body.detail}. ${body.action}`);
  return body;
}

function say(id, text, wrong = false) {
  byId(id).textContent = text;
  byId(id).classList.toggle("error", wrong);
}

function told(id) {
  return (error) => say(id, error instanceof ProblemError ? error.message : "The detector does not answer. Is it running?", true);
}

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function figure(number) {
  if (number === null) return "no value";
  const large = Math.abs(number) >= 1e5 || (number !== 0 && Math.abs(number) < 1e-3);
  return large ? number.toExponential(2) : String(Number(number.toPrecision(4)));
}

function lasted(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]].filter(([, size]) => seconds >= size);
  if (!parts.length) return "0s";
  const [[unit, size], next] = parts;
  const rest = next ? Math.floor((seconds % size) / next[1]) : 0;
  return `${Math.floor(seconds / size)}${unit}${rest ? ` ${rest}${next[0]}` : ""}`;
}

// --- the stretch ---

async function load() {
  // Without an end: a tick that comes meanwhile is in it.
  const start = Math.floor(Number(page.now) - Number(page.seconds));
  const asked = new URLSearchParams({ query: page.query, labels: page.labels, start: String(start) });
  if (page.model) asked.set("model", page.model);
  shown = await ask(`/api/v1/history?${asked}`);
  await redraw();
  chart.on("plotly_relayout", zoomed);
  zoomed({});
  listAlarms();
  listWindows();
  const hours = shown.utc_offset_seconds / 3600;
  byId("zone").textContent = `${shown.tz}, UTC${hours < 0 ? "−" : "+"}${Math.abs(hours)}`;
  const missing = shown.observed.filter((value) => value === null).length;
  const unknown = shown.score.filter((score) => score === null).length;
  const [before, last] = shown.times.slice(-2);
  const ticked = last - before < shown.step_seconds;
  const parts = [`${shown.times.length - ticked} values in steps of ${lasted(shown.step_seconds)}`];
  if (ticked) parts.push("one of the last tick");
  if (missing) parts.push(`${missing} missing`);
  if (unknown) parts.push(`${unknown} without a judgement`);
  say("status", missing === shown.times.length ? "No value in this stretch: nothing is known of it." : `${parts.join(", ")}. Drag to zoom, double-click to go back.`);
}

async function redraw() {
  await SpecterChart.draw(chart, shown, tried);
}

function zoomed(change) {
  const range = chart.layout.xaxis.range;
  const whole = "xaxis.autorange" in change || change["xaxis.range[0]"] === undefined;
  byId("reset").disabled = whole;
  const form = byId("feedback");
  const [from, to] = whole ? [shown.times[0], shown.times[shown.times.length - 1]] : range.map((text) => SpecterChart.seconds(String(text).slice(0, 19), shown));
  form.elements.start.value = SpecterChart.clock(from, shown).replace(" ", "T");
  form.elements.end.value = SpecterChart.clock(to, shown).replace(" ", "T");
}

function zoomTo(from, to) {
  return Plotly.relayout(chart, { "xaxis.range[0]": SpecterChart.clock(from, shown), "xaxis.range[1]": SpecterChart.clock(to, shown) });
}

function whole() {
  const range = [shown.times[0], shown.times[shown.times.length - 1]].map((at) => SpecterChart.clock(at, shown));
  return Plotly.relayout(chart, { "xaxis.range": range, "yaxis.autorange": true });
}

function listAlarms() {
  const body = byId("alarms").tBodies[0];
  const alarms = [...shown.alarms].reverse();
  byId("alarm-count").textContent = alarms.length ? String(alarms.length) : "";
  body.replaceChildren(...alarms.slice(0, 50).map(alarmRow));
  if (!alarms.length) {
    const cell = element("td", shown.score.every((score) => score === null) ? "Nothing could be judged." : "No alarm.", "empty");
    cell.colSpan = 7;
    body.replaceChildren(element("tr"));
    body.rows[0].append(cell);
  }
}

function alarmRow(alarm) {
  const row = element("tr");
  const button = element("button", "Zoom", "small");
  button.type = "button";
  const around = Math.max(6 * shown.step_seconds, alarm.end - alarm.start);
  button.addEventListener("click", () => zoomTo(alarm.start - around, alarm.end + around).then(() => marking(alarm)));
  const cell = element("td");
  cell.append(button);
  row.append(
    element("td", SpecterChart.clock(alarm.start, shown).slice(0, 16)), element("td", lasted(alarm.end - alarm.start + shown.step_seconds)),
    element("td", alarm.score.toFixed(1), "n"), element("td", SpecterChart.reason(alarm.reason)), element("td", figure(alarm.value), "n"),
    element("td", `${figure(alarm.lower)} to ${figure(alarm.upper)}`, "n"), cell,
  );
  return row;
}

function marking(alarm) {
  const form = byId("feedback").elements;
  form.start.value = SpecterChart.clock(alarm.start, shown).replace(" ", "T");
  form.end.value = SpecterChart.clock(alarm.end, shown).replace(" ", "T");
}

// --- feedback ---

async function mark(event) {
  event.preventDefault();
  const form = event.target.elements;
  const [start, end] = [form.start.value, form.end.value].map((text) => SpecterChart.seconds(text.length === 16 ? `${text}:00` : text, shown));
  // A single sample is a stretch too.
  const body = { ...series, start, end: end > start ? end : start + shown.step_seconds, kind: event.submitter.value };
  const stored = await ask("/api/v1/feedback", { method: "POST", body: JSON.stringify(body) });
  shown.windows = shown.windows.filter((each) => each.id !== stored.id).concat([stored]);
  say("feedback-status", `Stored as ${stored.kind}.`);
  listWindows();
  await redraw();
}

function listWindows() {
  byId("windows").replaceChildren(...shown.windows.map(windowItem));
}

function windowItem(each) {
  const item = element("li");
  const text = element("span");
  const [from, to] = [each.start, each.end].map((at) => SpecterChart.clock(at, shown).slice(0, 16));
  text.append(element("span", each.kind, each.kind), ` ${from} to ${to}${each.author ? `, ${each.author}` : ""}`);
  const button = element("button", "Withdraw", "small");
  button.type = "button";
  button.addEventListener("click", () => withdraw(each).catch(told("feedback-status")));
  item.append(text, button);
  return item;
}

async function withdraw(each) {
  await ask(`/api/v1/feedback/${encodeURIComponent(each.id)}`, { method: "DELETE" });
  shown.windows = shown.windows.filter((other) => other.id !== each.id);
  say("feedback-status", "Withdrawn.");
  listWindows();
  await redraw();
}

// --- other settings ---

function settings(form) {
  const number = (name) => Number(form[name].value || 0);
  const edge = (name) => (form[name].value === "" ? null : Number(form[name].value));
  return {
    class: form.class.value, detection_direction: form.detection_direction.value, tz: form.tz.value,
    min_dev_from_expected: [number("dev_below"), number("dev_above")], min_rel_dev_from_expected: [number("rel_below"), number("rel_above")],
    data_range: [edge("lowest"), edge("highest")],
  };
}

async function tryOut(event) {
  event.preventDefault();
  say("try-status", "Replaying…");
  const last = shown.times[shown.times.length - 1];
  const body = { ...series, start: shown.times[0], end: last, settings: settings(event.target.elements) };
  const answer = await ask("/api/v1/try", { method: "POST", body: JSON.stringify(body) });
  tried = answer.stretch;
  const rows = [["present", shown.alarms.length, shown.score.filter((score) => score > 1).length], ["tried", tried.alarms.length, answer.samples_in_alarm]];
  byId("compare").tBodies[0].replaceChildren(...rows.map(compareRow));
  byId("yaml").textContent = answer.yaml;
  byId("tried").hidden = false;
  byId("tried-legend").hidden = false;
  byId("forget").disabled = false;
  say("try-status", "Drawn in orange beside the present settings.");
  await redraw();
}

function compareRow([name, alarms, samples]) {
  const row = element("tr");
  const head = element("th");
  head.scope = "row";
  head.append(element("span", "", `swatch ${name}`), name);
  row.append(head, element("td", String(alarms), "n"), element("td", String(samples), "n"));
  return row;
}

async function forget() {
  tried = null;
  byId("tried").hidden = true;
  byId("tried-legend").hidden = true;
  byId("forget").disabled = true;
  say("try-status", "");
  await redraw();
}

byId("reset").addEventListener("click", () => whole().then(() => zoomed({})));
byId("feedback").addEventListener("submit", (event) => mark(event).catch(told("feedback-status")));
byId("try").addEventListener("submit", (event) => tryOut(event).catch(told("try-status")));
byId("forget").addEventListener("click", forget);
byId("copy").addEventListener("click", () => navigator.clipboard.writeText(byId("yaml").textContent).then(() => say("try-status", "Copied.")));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => shown && redraw());
load().catch(told("status"));
