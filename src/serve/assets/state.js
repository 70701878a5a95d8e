// What is shown, kept in the address behind the `#`: a link to the page is a link to this view.

import { forgetColours } from "./dom.js";

/** Ranges that are offered, in seconds. */
export const RANGES = [[300, "5m"], [900, "15m"], [3600, "1h"], [21_600, "6h"], [86_400, "24h"]];

const listeners = new Set();

export const state = {
  /** The last so many seconds; with `from` and `to`, those instead. */
  range: 300,
  from: null,
  to: null,
  /** Label to value: series without the label are shown as well. */
  filter: {},
  /** Ids of the groups that are unfolded. */
  open: new Set(),
  query: "",
  /** "light", "dark", or what the system says. */
  theme: "",
};

/** Tells of changes: the names of what changed are given. */
export function follow(listener) { listeners.add(listener); }

function read() {
  const given = new URLSearchParams(location.hash.slice(1));
  const number = (name) => {
    const value = Number(given.get(name));
    return given.has(name) && Number.isFinite(value) && value > 0 ? value : null;
  };
  state.range = Math.min(number("range") ?? 300, 31_536_000);
  state.from = number("from");
  state.to = number("to");
  if (state.from === null || state.to === null || state.to <= state.from) state.from = state.to = null;
  state.filter = {};
  for (const pair of given.getAll("filter")) {
    const at = pair.indexOf("=");
    if (/^[A-Za-z_]\w*$/.test(pair.slice(0, Math.max(at, 0)))) state.filter[pair.slice(0, at)] = pair.slice(at + 1);
  }
  state.open = new Set(given.getAll("open"));
  state.query = given.get("q") ?? "";
  state.theme = ["light", "dark"].includes(given.get("theme")) ? given.get("theme") : saved();
}

function saved() {
  try { return localStorage.getItem("tachometer-theme") ?? ""; } catch { return ""; }
}

function write() {
  const out = new URLSearchParams();
  if (state.from !== null) { out.set("from", state.from); out.set("to", state.to); }
  else if (state.range !== 300) out.set("range", state.range);
  for (const [name, value] of Object.entries(state.filter)) out.append("filter", `${name}=${value}`);
  for (const id of state.open) out.append("open", id);
  if (state.query) out.set("q", state.query);
  if (state.theme && state.theme !== saved()) out.set("theme", state.theme);
  const hash = out.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/** Changes what is shown, and the address. */
export function change(what) {
  Object.assign(state, what);
  write();
  const names = new Set(Object.keys(what));
  for (const listener of listeners) listener(names);
}

/** Whether a theme is dark, as it is in force. */
export function isDark() {
  return state.theme ? state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
  forgetColours();
}

export function switchTheme() {
  const theme = isDark() ? "light" : "dark";
  try { localStorage.setItem("tachometer-theme", theme); } catch { /* Then it is kept in the address. */ }
  change({ theme });
}

export function begin() {
  read();
  applyTheme();
  addEventListener("hashchange", () => {
    read();
    for (const listener of listeners) listener(new Set(Object.keys(state)));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    for (const listener of listeners) listener(new Set(["theme"]));
  });
}
