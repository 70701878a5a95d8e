// A panel: a question, and the chart that answers it. It knows what to ask for a range and for each tick, and draws what comes.

import { ask } from "./api.js";
import { Chart, Frame, drawLines, empty, keyOf, latest } from "./chart.js";
import { colour, make, say, seriesColour } from "./dom.js";
import { clock, inUnit, moment, named, telling } from "./format.js";
import { Columns, QUANTILES, drawHeatmap } from "./heatmap.js";
import { filtered } from "./promql.js";
import { change, state } from "./state.js";
import { drawTimeline, ownViews } from "./timeline.js";

/** Values across a chart, about. */
const POINTS = 300;
/** Seconds that a timeline shows one by one. */
const FINE = 900;
/** Series in a legend, unless all are asked for. */
const LEGEND = 8;

/** What is looked at now: beginning, end, and how far the values are apart. */
export function view(now, interval, points = POINTS) {
  const to = state.to ?? now;
  const from = state.from ?? now - state.range;
  const least = Math.max(interval, 0.5);
  const step = Math.max(least, Math.ceil((to - from) / points / least) * least);
  return { from, to, step, isLive: state.to === null };
}

/** A duration as PromQL has it. */
const span = (seconds) => seconds % 1 === 0 ? `${seconds}s` : `${Math.round(seconds * 1000)}ms`;

/** A target of a heat map that is one of the quantiles that come with its columns. */
const isQuantile = ({ expression, legend }) => {
  return expression.startsWith("histogram_quantile(") && QUANTILES.some(([, name]) => name === legend);
};

export class Panel {
  constructor(spec, clockOf, onRange) {
    this.spec = spec;
    this.clockOf = clockOf;
    this.isShown = false;
    this.isDue = true;
    this.figure = make("output", { class: "figure" });
    this.body = make("div", {
      class: `chart ${spec.kind}`, tabindex: "0", role: "group", "aria-roledescription": "chart", "aria-label": `${spec.title}: loading`,
    });
    this.legend = make("ul", { class: "legend", "aria-label": "Series; click one to filter" });
    this.at = make("span", { class: "at" });
    this.happened = make("ol", { class: "events", "aria-label": "Changes" });
    const question = spec.question ? make("p", { class: "question" }, spec.question) : null;
    const alerts = (spec.thresholds ?? []).map(({ alert, severity }) => {
      return make("span", { class: `badge ${severity}`, title: `alert ${alert}`, "data-alert": alert }, alert);
    });
    this.element = make(
      "article", { class: `panel ${spec.kind}`, "data-metric": spec.metric, "aria-label": spec.title },
      make("header", {}, make("h4", {}, spec.title), this.figure, question, ...alerts),
      this.body, make("div", { class: "below" }, this.at, this.legend), this.happened,
    );
    this.chart = new Chart(this.body, spec, {
      onCursor: (index) => this.point(index),
      onSelect: onRange,
    });
    this.body.append(empty("loading"));
  }

  get isHeatmap() { return this.spec.kind === "heatmap" && Boolean(this.spec.histogram); }
  get isTimeline() { return this.spec.kind === "timeline"; }

  /** The expressions of its lines, for a step. */
  targets({ step }, interval) {
    const window = span(Math.max(step, 5 * interval));
    const lines = this.isHeatmap ? this.spec.targets.filter((target) => !isQuantile(target)) : this.spec.targets;
    const companions = this.isTimeline && this.spec.companions
      ? [...this.spec.companions.numbers, ...this.spec.companions.changes] : [];
    const write = ({ expression }) => filtered(expression.replaceAll("$window", window), state.filter);
    return [...lines, ...companions].map((target) => ({ ...target, text: write(target) }));
  }

  /** The expression of a heat map's columns. */
  cells({ step }, interval) {
    const window = span(Math.max(step, 2 * interval));
    return filtered(`increase(${this.spec.histogram}[${window}])`, state.filter);
  }

  view() {
    const { now, interval } = this.clockOf();
    return view(now, interval, this.isTimeline ? FINE : POINTS);
  }

  /** What it wants to be told with each tick. */
  wanted() {
    if (!this.isShown || state.to !== null) return { queries: [], heatmaps: [] };
    const { interval } = this.clockOf();
    const shown = this.view();
    return {
      queries: this.targets(shown, interval).map(({ text }) => text),
      heatmaps: this.isHeatmap ? [this.cells(shown, interval)] : [],
    };
  }

  /** Asks for the whole range. */
  async load() {
    this.isDue = false;
    this.controller?.abort();
    const controller = this.controller = new AbortController();
    const { interval } = this.clockOf();
    const shown = this.view();
    const targets = this.targets(shown, interval);
    const { step } = shown;
    const [start, end] = [Math.floor(shown.from / step) * step, Math.floor(shown.to / step) * step];
    const range = { start, end, step };
    this.element.setAttribute("aria-busy", "true");
    try {
      const lines = targets.map(({ text }) => ask("query_range", { ...range, query: text }, controller.signal));
      const cells = this.isHeatmap
        ? ask("heatmap", { ...range, query: this.cells(shown, interval), quantile: QUANTILES.map(([q]) => q) }, controller.signal)
        : null;
      const [map, ...answers] = await Promise.all([cells, ...lines]);
      const frame = new Frame(start, end, step);
      answers.forEach((answer, index) => {
        for (const { metric, values } of answer.result) {
          if (values) frame.fill(keyOf(index, metric), metric, index, values);
        }
      });
      this.frame = frame;
      this.asked = targets;
      this.columns = null;
      if (map) {
        this.columns = new Columns(step);
        this.columns.fill(map);
      }
      this.loaded = { ...shown, interval };
      this.error = null;
      this.draw(shown.isLive ? this.clockOf().now : shown.to);
    } catch (error) {
      if (controller.signal.aborted) return;
      this.fail(error.message);
    } finally {
      if (this.controller === controller) this.element.setAttribute("aria-busy", "false");
    }
  }

  fail(text) {
    this.error = text;
    this.chart.destroyPlot();
    this.body.replaceChildren(make("p", { class: "error" }, text));
    // It may have been for a moment.
    this.isDue = state.to === null;
  }

  /** Takes what a tick says. */
  tick(time, values, heatmaps) {
    if (!this.frame || this.isDue || state.to !== null) return;
    const { interval } = this.clockOf();
    const shown = this.view();
    if (shown.step !== this.loaded.step) { this.load(); return; }
    const keep = state.range;
    this.frame.advance(time, keep);
    this.targets(shown, interval).forEach(({ text }, index) => {
      for (const { metric, value } of series(values.get(text))) this.frame.put(keyOf(index, metric), metric, index, value);
    });
    if (this.columns) {
      const column = heatmaps.get(this.cells(shown, interval));
      if (column?.columns) this.columns.add(time, column, keep);
    }
    this.draw(time);
  }

  draw(now) {
    if (!this.body.isConnected || this.body.clientWidth === 0) return;
    const to = state.to ?? now;
    const window = { from: state.from ?? to - state.range, to };
    const labels = [...this.frame.rows.values()].map((row) => row.labels);
    this.names = telling(labels).filter((name) => name !== "__name__" || this.spec.targets.length === 1);
    for (const row of this.frame.rows.values()) {
      const { legend, title } = this.asked[row.target] ?? {};
      row.name = named(row.labels, title ? "" : legend, this.names, title ?? this.spec.title);
      // What an alert looks at, beside what the panel is about.
      const watching = this.spec.targets.length > this.spec.thresholds.length && !this.isHeatmap && !this.isTimeline;
      const threshold = watching ? this.spec.thresholds[row.target] : null;
      row.isWatched = Boolean(threshold);
      if (threshold) row.name = `alert: ${row.name === this.spec.title ? threshold.alert : row.name}`;
    }
    let rows;
    if (this.isTimeline) rows = this.drawTimeline(window);
    else if (this.isHeatmap) rows = this.drawHeatmap(window);
    else rows = drawLines(this.chart, this.frame, window).map((row, index) => ({ ...row, colour: seriesColour(index) }));
    this.rows = rows;
    const isEmpty = this.isHeatmap ? this.columns.bounds() === null : rows.length === 0;
    this.element.classList.toggle("none", isEmpty);
    if (isEmpty) {
      this.chart.destroyPlot();
      this.body.replaceChildren(empty("no values in this time"));
    }
    this.point(this.pointed ?? null, true);
  }

  drawTimeline(window) {
    const first = this.spec.targets.length;
    const rows = this.frame.shown();
    const states = ownViews(rows.filter((row) => row.target < first));
    const names = telling(states.map((row) => row.labels)).filter((name) => name !== "__name__");
    // One of two labels that always agree is enough.
    const short = names.length === 2 && states.every(({ labels }) => labels[names[0]] === labels[names[1]]) ? names.slice(0, 1) : names;
    for (const row of states) row.name = named(row.labels, "", short, this.spec.title);
    const { numbers = [], changes = [] } = this.spec.companions ?? {};
    const group = (all, from) => all.map(({ title }, index) => ({
      title, rows: rows.filter((row) => row.target === from + index),
    }));
    const groups = { states, numbers: group(numbers, first), changes: group(changes, first + numbers.length) };
    const { events, states: words, rows: shown } = drawTimeline(this.chart, this.frame, groups, window);
    this.words = words;
    const items = events.slice(-6).reverse().map(({ time, text }) => {
      return make("li", { "data-time": String(time) }, make("time", {}, clock(time)), ` ${text}`);
    });
    const signature = events.map(({ time, text }) => `${time}${text}`).join();
    if (signature !== this.happenings) {
      this.happenings = signature;
      this.happened.replaceChildren(...items);
      this.element.dataset.events = String(events.length);
    }
    return shown.map((row) => ({ ...row, colour: null }));
  }

  drawHeatmap(window) {
    const others = this.frame.shown().slice(0, 3).map((row) => {
      const alert = (this.spec.thresholds ?? [])[row.target];
      return {
        name: row.name === this.spec.title ? `alert: ${alert?.alert ?? "watched"}` : `alert: ${row.name}`,
        values: this.frame.times.map((time, index) => [time, row.values[index]]),
      };
    });
    return drawHeatmap(this.chart, this.columns, others, window).map((line) => ({ ...line, colour: colour(line.colour) }));
  }

  /** Shows the values at a place, or the latest. */
  point(index, isDrawn = false) {
    if (!isDrawn && index === this.pointed) return;
    this.pointed = index;
    const rows = this.rows ?? [];
    const times = this.isHeatmap ? this.columns?.all.map(({ time }) => time) : this.frame?.times;
    const at = index !== null && index < (times?.length ?? 0) ? index : null;
    say(this.at, at === null ? "" : moment(times[at]));
    const text = (row) => {
      const value = at === null ? latest(row) : row.values[at];
      if (this.isTimeline) return this.words?.get(value) ?? (value === null ? "–" : String(value));
      return inUnit(value, this.spec.unit);
    };
    this.list(rows.map((row) => ({ row, text: text(row) })));
    const main = this.isHeatmap ? rows.find((row) => row.name === "p99") : rows.length === 1 ? rows[0] : null;
    say(this.figure, main && !this.isTimeline ? `${this.isHeatmap ? "p99 " : ""}${text(main)}` : "");
    const words = rows.slice(0, LEGEND).map((row) => `${row.name} ${text(row)}`).join(", ");
    this.body.setAttribute("aria-label", `${this.spec.title}: ${words || "no values"}`);
  }

  list(entries) {
    const isOne = entries.length === 1 && !this.isHeatmap && !this.isTimeline;
    const shown = isOne ? [] : entries.slice(0, this.isUnfolded ? entries.length : LEGEND);
    const signature = `${shown.map(({ row }) => row.key + row.colour).join()}|${entries.length}`;
    if (signature !== this.listed) {
      this.listed = signature;
      const items = shown.map(({ row }) => {
        const swatch = row.colour ? make("span", { class: "swatch", colour: row.colour }) : null;
        const inside = [swatch, make("span", { class: "name" }, row.name), make("span", { class: "value" })];
        const distinguishing = this.distinguishing(row);
        return make("li", {}, distinguishing.length
          ? make("button", { type: "button", title: "show only this", onclick: () => this.filterBy(distinguishing) }, ...inside)
          : make("span", {}, ...inside));
      });
      if (entries.length > shown.length && !isOne) {
        items.push(make("li", {}, make("button", {
          type: "button", class: "more", onclick: () => { this.isUnfolded = true; this.listed = null; this.point(this.pointed, true); },
        }, `${entries.length - shown.length} more`)));
      }
      this.legend.replaceChildren(...items);
    }
    const values = this.legend.querySelectorAll(".value");
    shown.forEach(({ text }, index) => { if (values[index]) say(values[index], text); });
  }

  distinguishing({ labels }) {
    return Object.entries(labels).filter(([name]) => name !== "__name__" && this.names?.includes(name));
  }

  filterBy(pairs) {
    const isOn = pairs.every(([name, value]) => state.filter[name] === value);
    const filter = { ...state.filter };
    for (const [name, value] of pairs) {
      if (isOn) delete filter[name];
      else filter[name] = value;
    }
    change({ filter });
  }

  redraw() { if (this.frame) this.draw(this.clockOf().now); }

  destroy() {
    this.controller?.abort();
    this.chart.destroy();
  }
}

/** The series of an answer at one moment. */
function series(answer) {
  if (!answer || answer.error) return [];
  if (answer.resultType === "scalar") return [{ metric: {}, value: Number(answer.result[1]) }];
  return answer.result.filter(({ value }) => value).map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}
