// What all charts share: the frame of times that values stand in, axes, cursor, thresholds; and the chart of lines.

import { colour, make, seriesColour } from "./dom.js";
import { clock, inUnit } from "./format.js";

/** Charts of one page move their cursors together. */
const CURSOR = "page";
const HEIGHT = 190;

/** Times, and a row of values for each series. Shared by all lines of a chart. */
export class Frame {
  constructor(start, end, step) {
    this.step = step;
    this.times = [];
    for (let time = start; time <= end + 1e-6; time += step) this.times.push(Math.round(time * 1000) / 1000);
    this.rows = new Map();
    /** How many of the times are of the first answer. */
    this.start = start;
  }

  /** The row of a series, with what is known of it. */
  row(key, labels, target) {
    if (!this.rows.has(key)) {
      this.rows.set(key, { key, labels, target, values: new Array(this.times.length).fill(null) });
    }
    return this.rows.get(key);
  }

  fill(key, labels, target, samples) {
    const { values } = this.row(key, labels, target);
    for (const [time, text] of samples) {
      const at = Math.round((time - this.start) / this.step);
      const value = Number(text);
      if (at >= 0 && at < values.length && !Number.isNaN(value)) values[at] = value;
    }
  }

  /** Begins a column for `time`; within a step of the one before it, in its place. */
  advance(time, span) {
    const last = this.times.length - 1;
    if (last >= 0 && time <= this.times[last]) {
      for (const row of this.rows.values()) row.values[last] = null;
      return;
    }
    const isProvisional = last >= 1 && this.times[last] - this.times[last - 1] < this.step * 0.75;
    if (isProvisional) this.times[last] = time;
    else this.times.push(time);
    for (const row of this.rows.values()) {
      if (isProvisional) row.values[last] = null;
      else row.values.push(null);
    }
    const begin = this.times.findIndex((one) => one >= time - span - this.step);
    if (begin > 0) {
      this.times.splice(0, begin);
      this.start = this.times[0];
      for (const row of this.rows.values()) row.values.splice(0, begin);
    }
  }

  put(key, labels, target, value) {
    const { values } = this.row(key, labels, target);
    if (!Number.isNaN(value)) values[values.length - 1] = value;
  }

  /** The rows that have something, by target and labels. */
  shown() {
    return [...this.rows.values()].filter((row) => row.values.some((value) => value !== null));
  }
}

export const keyOf = (target, labels) => `${target}|${JSON.stringify(Object.entries(labels).sort())}`;

/** The latest value of a row, and for a row that ended nothing. */
export const latest = (row) => row.values[row.values.length - 1] ?? row.values[row.values.length - 2] ?? null;

const FONT = "11px system-ui, sans-serif";

/** Minutes need less room than seconds. */
const timeSpace = (u, axis, from, to, size) => {
  const minute = size / ((to - from) / 60);
  return minute >= 44 && minute < 76 ? 44 : 76;
};

export const timeAxis = () => ({
  stroke: () => colour("quiet"), font: FONT, size: 26, gap: 4, space: timeSpace,
  grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false },
  values: (u, times) => {
    const isFine = times.length > 1 && times[1] - times[0] < 60;
    return times.map((time) => clock(time, isFine));
  },
});

export const valueAxis = (unit) => ({
  stroke: () => colour("quiet"), font: FONT, size: 62, gap: 6, space: 32,
  grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false },
  values: (u, values) => values.map((value) => inUnit(value, unit)),
});

/** What severities look like. */
export const severityColour = (severity) => {
  return colour(severity === "critical" || severity === "page" ? "bad" : severity === "warning" ? "warn" : "quiet");
};

/** Dashed lines where alerts begin; one that is beyond the chart is told at its edge. */
export function drawThresholds(u, thresholds, unit, place = (value) => value) {
  const { ctx, bbox } = u;
  const scale = devicePixelRatio;
  ctx.save();
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  const drawn = new Set();
  for (const { operator, value, severity } of thresholds) {
    const at = place(value);
    if (!Number.isFinite(at) || drawn.has(at)) continue;
    drawn.add(at);
    const y = u.valToPos(at, "y", true);
    const inside = y >= bbox.top - 1 && y <= bbox.top + bbox.height + 1;
    ctx.fillStyle = ctx.strokeStyle = severityColour(severity);
    if (inside) {
      ctx.setLineDash([6 * scale, 4 * scale]);
      ctx.lineWidth = 1.25 * scale;
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    const text = `${inside ? "" : y < bbox.top ? "↑ " : "↓ "}alert ${operator} ${inUnit(value, unit)}`;
    const top = y < bbox.top;
    const line = inside ? (y - bbox.top < 16 * scale ? y + 13 * scale : y - 5 * scale)
      : top ? bbox.top + 12 * scale : bbox.top + bbox.height - 5 * scale;
    ctx.lineWidth = 3 * scale;
    ctx.setLineDash([]);
    ctx.strokeStyle = colour("card");
    ctx.strokeText(text, bbox.left + bbox.width - 4 * scale, line);
    ctx.fillText(text, bbox.left + bbox.width - 4 * scale, line);
  }
  ctx.restore();
}

/** The unit of an expression: what was a while ago is seconds, whatever the panel's own is. */
export const unitOfExpression = (expression, unit) => /^\(?\s*time\(\)\s*-/.test(expression) ? "seconds" : unit;

/** A chart in an element: as wide as it, moved by the keyboard, redrawn when the theme changes. */
export class Chart {
  constructor(element, panel, options) {
    this.element = element;
    this.panel = panel;
    this.options = options;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(element);
    element.addEventListener("keydown", (event) => this.step(event));
    element.addEventListener("blur", () => this.plot?.setCursor({ left: -10, top: -10 }));
  }

  base() {
    const { onCursor, onSelect, height = HEIGHT } = this.options;
    return {
      width: Math.max(this.element.clientWidth, 120),
      height,
      legend: { show: false },
      padding: [10, 22, 0, 0],
      cursor: {
        sync: { key: CURSOR }, y: false, points: { size: 6 },
        drag: { x: true, y: false, setScale: false },
      },
      hooks: {
        setCursor: [(u) => onCursor?.(u.cursor.idx ?? null)],
        setSelect: [(u) => {
          if (u.select.width < 8) return;
          const from = u.posToVal(u.select.left, "x");
          const to = u.posToVal(u.select.left + u.select.width, "x");
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          onSelect?.(from, to);
        }],
      },
    };
  }

  /** Draws anew; series that are the same as before keep the plot. */
  draw(signature, build, data, { from, to }) {
    if (this.signature !== signature) {
      this.destroyPlot();
      this.signature = signature;
      this.element.replaceChildren();
      this.plot = new uPlot(build(this.base()), data, this.element);
      this.plot.root.querySelector("canvas").setAttribute("aria-hidden", "true");
    } else {
      this.plot.setData(data, false);
    }
    // Also gives the other axis its range anew.
    this.plot.setScale("x", { min: from, max: to });
  }

  resize() {
    if (this.plot && this.element.clientWidth > 0 && this.plot.width !== this.element.clientWidth) {
      this.plot.setSize({ width: this.element.clientWidth, height: this.plot.height });
    }
  }

  /** Arrow keys move the cursor from value to value. */
  step(event) {
    const u = this.plot;
    if (!u || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const times = u.data[0];
    const last = times.length - 1;
    const by = event.shiftKey ? 10 : 1;
    const at = u.cursor.idx ?? last;
    const to = { ArrowLeft: at - by, ArrowRight: at + by, Home: 0, End: last }[event.key];
    const index = Math.min(Math.max(to, 0), last);
    u.setCursor({ left: u.valToPos(times[index], "x"), top: 10 });
  }

  destroyPlot() {
    this.plot?.destroy();
    this.plot = null;
    this.signature = null;
  }

  destroy() {
    this.observer.disconnect();
    this.destroyPlot();
  }
}

/** The chart of lines. */
export function drawLines(chart, frame, span) {
  const { panel } = chart;
  const rows = frame.shown();
  const signature = `lines ${rows.map((row) => row.key).join()}`;
  const thresholds = panel.thresholds ?? [];
  const build = (base) => ({
    ...base,
    scales: { x: { time: true }, y: { range: (u, low, high) => bounds(low, high, thresholds) } },
    axes: [timeAxis(), valueAxis(panel.unit)],
    series: [{}, ...rows.map((row, index) => ({
      stroke: () => seriesColour(index), width: 1.75, spanGaps: false, dash: row.isWatched ? [6, 3] : undefined,
      points: { show: false },
    }))],
    hooks: { ...base.hooks, draw: [(u) => drawThresholds(u, thresholds, panel.unit)] },
  });
  chart.draw(signature, build, [frame.times, ...rows.map((row) => row.values)], span);
  return rows;
}

/** From zero where that is near; with thresholds that are near. */
function bounds(low, high, thresholds) {
  if (low === null || high === null || !Number.isFinite(low) || !Number.isFinite(high)) return [0, 1];
  let from = low;
  let to = high;
  if (low >= 0 && low < high * 0.6) from = 0;
  for (const { value } of thresholds) {
    if (value > to && (to >= value / 8 || to === 0)) to = value * 1.08;
    if (value < from) from = value;
  }
  if (from === to) return from === 0 ? [0, 1] : from > 0 ? [0, to * 1.5] : [from * 1.5, Math.max(0, -from)];
  const room = (to - from) * 0.06;
  return [from === 0 ? 0 : from - room, to + room];
}

export const empty = (text) => make("p", { class: "empty" }, text);
