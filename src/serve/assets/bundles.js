// What panels there are: of the bundles in use, as they declare them, and for every other metric one made of its type.

import { ask } from "./api.js";
import { unitOfExpression } from "./chart.js";
import { make } from "./dom.js";
import { change, state } from "./state.js";
import { companions } from "./timeline.js";

/** Panels of undeclared metrics in one group: more belong to several. */
const GROUP = 24;

const UNITS = [[/_seconds(_total)?$/, "seconds"], [/_bytes(_total)?$/, "bytes"], [/_ratio$/, "ratio"]];

function unitOf(metric, type, unit) {
  const plain = UNITS.find(([pattern, name]) => pattern.test(metric) || unit === name)?.[1] ?? "number";
  if (type !== "counter") return plain;
  return plain === "bytes" ? "bytes_per_second" : plain === "seconds" ? "number" : "per_second";
}

/** A panel for a metric of which only the metadata are known. */
function made(metric, { type, help, unit }) {
  const base = {
    metric, type, help, question: help, title: metric, thresholds: [], states: [], headline: false,
    derived: null, histogram: null, labels: [], unit: unitOf(metric, type, unit),
  };
  if (type === "histogram") {
    return { ...base, kind: "heatmap", histogram: metric, targets: [] };
  }
  const expression = type === "counter" ? `rate(${metric}[$window])` : metric;
  return { ...base, kind: "lines", targets: [{ expression, legend: "" }] };
}

/**
 * A panel plots what its alerts look at. Where that is of another unit than the rest, it becomes a panel of its own: how old a
 * sample is does not stand beside how many commits there are.
 */
function apart(panel, bundle) {
  const watched = panel.targets.slice(0, panel.thresholds.length);
  const others = watched.filter(({ expression }) => unitOfExpression(expression, panel.unit) !== panel.unit);
  if (others.length === 0 || others.length === panel.targets.length) return [panel];
  const split = others.map((target) => {
    const threshold = panel.thresholds[watched.indexOf(target)];
    const about = bundle.alerts.find(({ name }) => name === threshold.alert);
    return {
      ...panel, title: `${panel.title}: ${threshold.alert}`, question: about?.summary ?? "", headline: false, kind: "lines",
      unit: unitOfExpression(target.expression, panel.unit), targets: [target], thresholds: [threshold], histogram: null,
    };
  });
  const rest = (all) => all.filter((_, index) => !others.includes(watched[index]));
  return [{ ...panel, targets: rest(panel.targets), thresholds: rest(panel.thresholds) }, ...split];
}

/** All groups of panels: those of bundles, then the others by the first word of their names. */
export async function groups() {
  const [bundles, metadata, names] = await Promise.all([
    ask("bundles"), ask("metadata"), ask("label/__name__/values").catch(() => []),
  ]);
  const declared = new Set();
  const out = [];
  // What a program is for comes before what it uses of the machine.
  const isAbout = (bundle) => Number(bundle.id === "process");
  bundles.sort((a, b) => isAbout(a) - isAbout(b));
  for (const bundle of bundles) {
    const extra = companions(bundle);
    const sections = bundle.sections.map(({ title, panels }) => ({
      id: `${bundle.id}/${title}`,
      title: title || bundle.title,
      panels: panels.flatMap((panel) => apart(panel, bundle)).map((panel) => {
        declared.add(panel.metric);
        return panel.kind === "timeline" && panel.headline ? { ...panel, companions: extra } : panel;
      }),
    }));
    out.push({ id: bundle.id, title: bundle.title, help: bundle.help.replace(/ See the module\.$/, ""), sections });
  }
  const others = new Map();
  const known = new Map(Object.entries(metadata).map(([metric, all]) => [metric, all[0]]));
  // What nobody describes is there all the same; parts of classic histograms and summaries are not metrics.
  for (const name of names) {
    const part = /^(.+)_(bucket|sum|count|total|created)$/.exec(name)?.[1];
    if (!known.has(name) && !(part && known.has(part)) && !declared.has(name) && !/_bucket$/.test(name)) {
      known.set(name, { type: name.endsWith("_total") ? "counter" : "gauge", help: "", unit: "" });
    }
  }
  for (const [metric, about] of [...known].sort(([a], [b]) => a.localeCompare(b))) {
    const name = about.type === "counter" && names.includes(`${metric}_total`) ? `${metric}_total` : metric;
    if (declared.has(name) || about.type === "info" || /^ALERTS(_FOR_STATE)?$/.test(name)) continue;
    const word = name.split(/[_:]/)[0];
    others.set(word, [...(others.get(word) ?? []), made(name, about)]);
  }
  if (others.size > 0) {
    const sections = [...others].flatMap(([word, panels]) => {
      const parts = [];
      for (let at = 0; at < panels.length; at += GROUP) {
        const title = panels.length > GROUP ? `${word} (${at / GROUP + 1})` : word;
        parts.push({ id: `other/${title}`, title, panels: panels.slice(at, at + GROUP) });
      }
      return parts;
    });
    out.push({ id: "other", title: bundles.length ? "Other metrics" : "Metrics", help: "By the first word of their names.", sections });
  }
  return out;
}

/**
 * Puts groups onto the page: the headlines of all bundles first, everything behind them folded up. `place(panel, isWide)` makes the
 * element of a panel, `onOpen` is told when a section unfolds.
 */
export function layOut(all, place, onOpen) {
  const out = [];
  for (const group of all) {
    const headlines = group.sections.flatMap((section) => section.panels).filter((panel) => panel.headline);
    // States over time first: they are as wide as the page.
    headlines.sort((a, b) => (b.kind === "timeline") - (a.kind === "timeline"));
    const grid = headlines.length ? make("div", { class: "grid" }, ...headlines.map((panel) => place(panel))) : null;
    const sections = group.sections.map((section) => {
      const panels = section.panels.filter((panel) => !panel.headline);
      if (panels.length === 0) return null;
      const inside = make("div", { class: "grid" });
      const fold = make("details", { class: "section", "data-section": section.id, open: state.open.has(section.id) },
        make("summary", {}, make("h3", {}, section.title), make("span", { class: "count" }, `${panels.length}`)), inside);
      const unfold = () => {
        if (!fold.open || inside.children.length > 0) return;
        inside.append(...panels.map((panel) => place(panel)));
        onOpen();
      };
      fold.addEventListener("toggle", () => {
        unfold();
        const open = new Set(state.open);
        if (fold.open) open.add(section.id);
        else open.delete(section.id);
        if (open.size !== state.open.size) change({ open });
      });
      return { fold, unfold };
    }).filter(Boolean);
    out.push(make("section", { class: "group", "data-bundle": group.id, "aria-label": group.title },
      make("h2", {}, group.title), make("p", { class: "help" }, group.help), grid,
      make("div", { class: "folds" }, ...sections.map(({ fold }) => fold))));
    for (const { fold, unfold } of sections) if (fold.open) unfold();
  }
  return out;
}
