// The page: asks for the bundles, keeps the stream of ticks, gives each tick to the panels in view, and says how things stand.

import { Live } from "./api.js";
import { forget, showAlerts, showHealth } from "./alerts.js";
import { groups, layOut } from "./bundles.js";
import { byId, make, say } from "./dom.js";
import { explore } from "./explore.js";
import { clock, lasting, moment } from "./format.js";
import { Panel } from "./panel.js";
import { RANGES, applyTheme, begin, change, follow, state, switchTheme } from "./state.js";
import { QUANTILES } from "./heatmap.js";

/** After how long without a tick, in seconds, data are stale: at the least, and in intervals. */
const STALE = 4;
const STALE_INTERVALS = 3;
/** Queries and heat maps of one stream. */
const MOST_QUERIES = 180;

const panels = new Map();
let last = null;
let heardAt = performance.now();
let heardTime = Date.now() / 1000;
let gone = null;
let offset = 0;
let interval = 1;
let isGap = false;

/** The process's time: between ticks it goes on. */
const now = () => last === null ? Date.now() / 1000 : Math.min(Date.now() / 1000 + offset, last.time + 2 * interval);
const clockOf = () => ({ now: last === null ? Date.now() / 1000 : last.time, interval });

// Panels in view are loaded, and told of ticks.
const observer = new IntersectionObserver((entries) => {
  let isOther = false;
  for (const { target, isIntersecting } of entries) {
    const panel = panels.get(target);
    if (!panel || panel.isShown === isIntersecting) continue;
    panel.isShown = isIntersecting;
    if (isIntersecting) { panel.isDue = true; isOther = true; }
  }
  if (isOther) soon();
}, { rootMargin: "200px" });

function place(spec) {
  const panel = new Panel(spec, clockOf, (from, to) => change({ from: Math.floor(from), to: Math.ceil(to) }));
  panels.set(panel.element, panel);
  observer.observe(panel.element);
  return panel.element;
}

function remove(element) {
  observer.unobserve(element);
  panels.get(element)?.destroy();
  panels.delete(element);
}

let timer = null;

/** Loads what is in view, and has the stream tell of it. */
function soon() {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (last === null) return;
    for (const panel of panels.values()) {
      if (panel.isShown && panel.isDue) panel.load();
    }
    if (signature() !== streamed) live.renew();
  }, 120);
}

function reload() {
  for (const panel of panels.values()) panel.isDue = true;
  soon();
}

function wanted() {
  const parameters = new URLSearchParams();
  const queries = new Set();
  const heatmaps = new Set();
  for (const panel of panels.values()) {
    const all = panel.wanted();
    if (queries.size + heatmaps.size + all.queries.length + all.heatmaps.length > MOST_QUERIES) continue;
    all.queries.forEach((query) => queries.add(query));
    all.heatmaps.forEach((query) => heatmaps.add(query));
  }
  queries.forEach((query) => parameters.append("query", query));
  heatmaps.forEach((query) => parameters.append("heatmap", query));
  if (heatmaps.size) QUANTILES.forEach(([quantile]) => parameters.append("quantile", quantile));
  return parameters;
}

const signature = () => wanted().toString();
let streamed = "";

function onTick(tick, parameters) {
  const before = last;
  const silence = (performance.now() - heardAt) / 1000;
  heardAt = performance.now();
  heardTime = Date.now() / 1000;
  gone = null;
  interval = tick.interval ?? interval;
  offset = (tick.now ?? tick.time) - Date.now() / 1000;
  last = tick;
  showHealth(tick.health);
  showAlerts(tick.alerts ?? [], tick.now ?? tick.time);
  if (before !== null && before.run !== tick.run) {
    // Another process: other bundles, another history.
    forget();
    build();
    return;
  }
  if (before === null) { build(); return; }
  if (isGap || silence > 2.5 * interval + 1) { isGap = false; reload(); }
  if (document.hidden || tick.time === before.time) return;
  const values = new Map(parameters.getAll("query").map((query, index) => [query, tick.values[index]]));
  const heatmaps = new Map(parameters.getAll("heatmap").map((query, index) => [query, tick.heatmaps[index]]));
  for (const panel of panels.values()) {
    if (!panel.isShown) continue;
    if (panel.isDue) { panel.load(); continue; }
    if (panel.wanted().queries.every((query) => values.has(query))) panel.tick(tick.time, values, heatmaps);
  }
  showState();
}

function onGone(why) {
  isGap = true;
  gone ??= { why, since: Date.now() / 1000 };
  gone.why = why;
  showState();
}

/** Says how old what is shown is. */
function showState() {
  const silence = (performance.now() - heardAt) / 1000;
  const limit = Math.max(STALE, STALE_INTERVALS * interval);
  const age = last === null ? 0 : Math.max(silence, (last.age ?? 0) + silence);
  let name = "live";
  let text = state.to === null ? "live" : `${moment(state.from)} – ${moment(state.to)}`;
  let banner = "";
  if (last === null) {
    [name, text] = gone ? ["gone", "no answer"] : ["connecting", "connecting"];
    if (gone) banner = `Nothing can be shown: ${gone.why}. Trying again.`;
  } else if (gone && silence > 1.5) {
    [name, text] = ["gone", "no answer"];
    banner = `The process has not answered since ${clock(gone.since)}: ${gone.why}. Trying again.`;
  } else if (age > limit) {
    [name, text] = ["stale", "stale"];
    isGap = true;
    const since = Date.now() / 1000 - age;
    banner = silence > (last.age ?? 0)
      ? `Nothing was heard since ${clock(heardTime)}: what is shown stands still.`
      : `The process answers, but its last snapshot is of ${clock(since)}.`;
  }
  document.body.dataset.state = name;
  say(byId("state"), text);
  // Not part of the status: who has the page read to him does not want each second told.
  say(byId("age"), name === "stale" || name === "gone" ? `${lasting(age)} old` : "");
  const element = byId("stale");
  element.hidden = banner === "";
  say(element, banner);
}

async function build() {
  try {
    const all = await groups();
    for (const element of [...panels.keys()]) remove(element);
    byId("panels").replaceChildren(...layOut(all, place, soon));
    exploring.run();
    showState();
    soon();
  } catch (error) {
    onGone(error.message);
    setTimeout(build, 1000);
  }
}

function showFilters() {
  const chips = Object.entries(state.filter).map(([name, value]) => make("button", {
    type: "button", class: "chip", "aria-label": `Remove the filter ${name} ${value}`,
    onclick: () => {
      const filter = { ...state.filter };
      delete filter[name];
      change({ filter });
    },
  }, `${name} = ${value} ×`));
  byId("filters").hidden = chips.length === 0;
  byId("filters").replaceChildren(make("span", {}, "Only"), ...chips);
}

function showRanges() {
  const buttons = RANGES.map(([seconds, name]) => make("button", {
    type: "button", "aria-pressed": String(state.to === null && state.range === seconds), "data-range": String(seconds),
    "aria-label": `the last ${lasting(seconds)}`, onclick: () => change({ range: seconds, from: null, to: null }),
  }, name));
  if (state.to !== null) {
    buttons.push(make("button", {
      type: "button", class: "back", onclick: () => change({ from: null, to: null }),
    }, "Back to now"));
  }
  const had = document.activeElement?.dataset?.range;
  byId("range").replaceChildren(...buttons);
  if (had) byId("range").querySelector(`[data-range="${had}"]`)?.focus();
}

begin();
const exploring = explore(place, remove, soon);
exploring.show();
showRanges();
showFilters();

follow((changed) => {
  if (changed.has("theme")) {
    applyTheme();
    for (const panel of panels.values()) panel.redraw();
  }
  if (changed.has("range") || changed.has("from") || changed.has("to")) { showRanges(); reload(); showState(); }
  if (changed.has("filter")) { showFilters(); reload(); }
  if (changed.has("query")) { exploring.show(); exploring.run(); }
});

byId("theme").addEventListener("click", switchTheme);
byId("link").addEventListener("click", async () => {
  // A link to what is seen now is one to its time, not to the last minutes before somebody looks.
  const { from, to } = state.to === null ? { from: Math.floor(now() - state.range), to: Math.ceil(now()) } : state;
  const address = new URL(location.href);
  const given = new URLSearchParams(address.hash.slice(1));
  given.delete("range");
  given.set("from", from);
  given.set("to", to);
  address.hash = given;
  try {
    await navigator.clipboard.writeText(address.href);
    byId("link").textContent = "Copied";
  } catch {
    // Without a secure context there is no clipboard: the address bar has it.
    change({ from, to });
    byId("link").textContent = "In the address bar";
  }
  setTimeout(() => { byId("link").textContent = "Link"; }, 2000);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden) reload(); });
document.body.addEventListener("click", (event) => {
  if (event.target.matches?.(".skip")) { event.preventDefault(); byId("panels").focus(); }
});

const live = new Live(() => {
  const parameters = wanted();
  streamed = parameters.toString();
  return parameters;
}, onTick, onGone);
setInterval(showState, 500);
