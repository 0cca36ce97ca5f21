// Measures a view as the web-vitals package does, as far as the demo needs it, and says it when the page is left.
// Your own pages import the package: docs/exporters-browser.md.
const beacon = document.querySelector("meta[name=beacon]").content;
const agent = navigator.userAgent;
const tablet = /iPad|Tablet|Android(?!.*Mobile)/.test(agent);
const device = tablet ? "tablet" : /Mobi/.test(agent) ? "mobile" : "desktop";
const page = location.pathname;
const id = `${Date.now()}-${Math.random()}`;
const values = new Map([["CLS", 0]]);
let changed = true;

const set = (name, value) => {
  values.set(name, value);
  changed = true;
};
const observe = (type, take, options) =>
  new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true, ...options });

observe("navigation", (entry) => set("TTFB", entry.responseStart));
observe("paint", (entry) => entry.name === "first-contentful-paint" && set("FCP", entry.startTime));
observe("largest-contentful-paint", (entry) => set("LCP", entry.startTime));
observe("layout-shift", (entry) => entry.hadRecentInput || set("CLS", values.get("CLS") + entry.value));
// The longest interaction: the package leaves out one in fifty. The first one counts however short it was.
const interaction = (entry) => entry.interactionId && set("INP", Math.max(values.get("INP") ?? 0, entry.duration));
observe("event", interaction, { durationThreshold: 16 });
observe("first-input", interaction);

addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && changed) {
    const measured = [...values].map(([name, value]) => ({ name, value, id, page, device }));
    navigator.sendBeacon(beacon, JSON.stringify(measured));
    changed = false;
  }
});
