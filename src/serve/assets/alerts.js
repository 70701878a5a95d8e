// Health and alerts: the first thing on the page.

import { byId, make } from "./dom.js";
import { clock, inUnit, lasting } from "./format.js";

/** How long an alert that was resolved stays on the page, in seconds. */
const REMEMBERED = 300;
const RANK = { page: 0, critical: 1, warning: 2 };
const WORDS = { ok: "healthy", healthy: "healthy", warning: "warning", critical: "critical", failing: "failing" };

let firing = new Map();
const resolved = new Map();
let shown = "";

const keyOf = ({ labels }) => JSON.stringify(Object.entries(labels).sort());

/** Takes an hour's worth of text out of an alert. */
function card(alert, kind, now) {
  const { labels, annotations = {} } = alert;
  const { alertname, severity = "", component, ...others } = labels;
  const since = Date.parse(alert.activeAt) / 1000;
  const when = kind === "resolved" ? `resolved at ${clock(alert.resolvedAt)}` : `${kind} since ${clock(since)}`;
  const names = Object.entries(others).map(([name, value]) => `${name} ${value}`).join(" · ");
  return make("li", { class: `alert ${kind} ${severity}`, "data-alert": alertname, "data-kind": kind },
    make("p", { class: "line" },
      make("span", { class: `badge ${kind === "resolved" ? "good" : severity}` }, kind === "resolved" ? "resolved" : severity || kind),
      make("strong", {}, annotations.summary || alertname),
      make("span", { class: "when", title: kind === "resolved" ? "" : `for ${lasting(now - since)}` }, when)),
    kind === "resolved" ? null : make("details", {},
      make("summary", {}, `${alertname} · value ${inUnit(Number(alert.value), "number")}${names ? ` · ${names}` : ""}`),
      annotations.description ? make("p", {}, annotations.description) : null,
      annotations.action ? make("p", { class: "action" }, annotations.action) : null,
      component ? make("p", { class: "quiet" }, `component ${component}`) : null));
}

function remember(alerts, now) {
  const next = new Map(alerts.filter(({ state }) => state === "firing").map((alert) => [keyOf(alert), alert]));
  for (const [key, alert] of firing) {
    if (!next.has(key)) resolved.set(key, { ...alert, resolvedAt: now });
  }
  for (const [key, { resolvedAt }] of resolved) {
    if (next.has(key) || now - resolvedAt > REMEMBERED) resolved.delete(key);
  }
  firing = next;
}

/** Forgets what another process said. */
export function forget() {
  firing = new Map();
  resolved.clear();
}

export function showAlerts(alerts, now) {
  remember(alerts, now);
  const order = (alert) => RANK[alert.labels.severity] ?? 3;
  const since = (alert) => Date.parse(alert.activeAt);
  const sort = (kind) => alerts.filter(({ state }) => state === kind).sort((a, b) => order(a) - order(b) || since(a) - since(b));
  const [fire, pending] = [sort("firing"), sort("pending")];
  const gone = [...resolved.values()].sort((a, b) => b.resolvedAt - a.resolvedAt).slice(0, 5);
  const signature = JSON.stringify([fire, pending].map((all) => all.map((one) => [keyOf(one), one.state])))
    + gone.map((one) => one.resolvedAt).join();
  document.title = fire.length ? `(${fire.length}) tachometer` : "tachometer";
  if (signature === shown) return;
  shown = signature;
  const items = [
    ...fire.map((alert) => card(alert, "firing", now)),
    ...pending.map((alert) => card(alert, "pending", now)),
    ...gone.map((alert) => card(alert, "resolved", now)),
  ];
  const title = fire.length ? `${fire.length} firing` : "No alert fires";
  const more = pending.length ? `, ${pending.length} pending` : "";
  byId("alerts").replaceChildren(
    make("h2", { role: "status" }, `${title}${more}`),
    items.length ? make("ul", { class: "alerts" }, ...items) : "",
  );
}

export function showHealth(health) {
  const status = WORDS[health.status] ?? "failing";
  const components = (health.components ?? []).map(({ name, state, issues = [], checks = [] }) => {
    const what = issues[0]?.what ?? checks.find((check) => check.what)?.what;
    return make("li", { class: `chip ${state}`, title: what ?? "" }, make("span", { class: "dot", "aria-hidden": "true" }),
      `${name} `, make("span", { class: "quiet" }, state));
  });
  const element = byId("health");
  const text = JSON.stringify([status, health.why, (health.components ?? []).map(({ name, state }) => [name, state])]);
  if (element.dataset.shown === text) return;
  element.dataset.shown = text;
  element.className = `health ${status}`;
  element.dataset.status = status;
  element.replaceChildren(
    make("h2", {}, make("span", { class: "dot", "aria-hidden": "true" }), make("span", { role: "status" }, status)),
    make("p", { class: "why" }, health.why ?? "everything that is looked at is well"),
    components.length ? make("ul", { class: "chips", "aria-label": "Components" }, ...components) : "",
  );
}
