// Heat maps: where values lie over time, from the buckets of a histogram, with quantiles as lines over them.

import { drawThresholds, timeAxis } from "./chart.js";
import { colour } from "./dom.js";
import { inUnit } from "./format.js";

/** Quantiles that stand over a heat map. */
export const QUANTILES = [[0.5, "p50"], [0.99, "p99"], [0.999, "p99.9"]];
const COLOURS = ["p50", "p99", "p999"];

/** Columns by time, and the quantiles of each. */
export class Columns {
  constructor(step) {
    this.step = step;
    this.all = [];
  }

  fill({ resolution, columns }) {
    this.resolution = resolution;
    this.all = columns;
  }

  /** Puts one column behind the others, for one tick. */
  add(time, answer, span) {
    const column = answer.columns[0] ?? { time, count: 0, zero: 0, quantiles: [], first: 0, counts: [] };
    this.resolution = answer.resolution;
    const last = this.all.at(-1);
    const before = this.all.at(-2);
    if (last && time <= last.time) this.all.pop();
    else if (before && last.time - before.time < this.step * 0.75) this.all.pop();
    this.all.push({ ...column, time });
    while (this.all.length > 0 && this.all[0].time < time - span - this.step) this.all.shift();
  }

  /** The lowest and the highest row that has values. */
  bounds() {
    let low = Infinity;
    let high = -Infinity;
    for (const { first, counts } of this.all) {
      if (counts.length === 0) continue;
      low = Math.min(low, first);
      high = Math.max(high, first + counts.length);
    }
    return low < high ? [low, high] : null;
  }
}

/** Round values between two logarithms, for the axis. */
function ticks(low, high, unit) {
  const base = unit === "bytes" ? 1024 : 10;
  const steps = unit === "bytes" ? [1, 4, 16, 64, 256] : [1, 2, 5];
  const octave = Math.log2(base);
  for (const chosen of [steps, steps.filter((step, index) => index % 2 === 0), [1]]) {
    const found = [];
    for (let power = Math.floor(low / octave); power <= Math.ceil(high / octave); power += 1) {
      for (const step of chosen) {
        const at = Math.log2(step) + power * octave;
        if (at >= low && at <= high) found.push(at);
      }
    }
    if (found.length <= 6 || chosen.length === 1) return found.filter((_, index) => index % Math.ceil(found.length / 7) === 0);
  }
  return [];
}

/** A colour as its three numbers. */
function parts(name) {
  const text = colour(name);
  const number = Number.parseInt(text.slice(1), 16);
  return [number >> 16, number >> 8 & 255, number & 255];
}

/** Draws the cells: each column is an image of one pixel's width, stretched. */
function drawCells(u, columns, [low, high]) {
  const { ctx, bbox } = u;
  const rows = high - low;
  const most = Math.max(...columns.all.map(({ counts }) => Math.max(0, ...counts)));
  if (most <= 0) return;
  const [cold, hot] = [parts("heat-cold"), parts("heat-hot")];
  const image = new ImageData(columns.all.length, rows);
  columns.all.forEach(({ first, counts }, x) => {
    counts.forEach((count, index) => {
      if (count <= 0) return;
      const heat = Math.log1p(count) / Math.log1p(most);
      const y = rows - 1 - (first - low + index);
      const at = (y * image.width + x) * 4;
      for (let part = 0; part < 3; part += 1) {
        image.data[at + part] = cold[part] + (hot[part] - cold[part]) * heat;
      }
      image.data[at + 3] = 60 + 195 * heat;
    });
  });
  const canvas = drawCells.canvas ??= document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  canvas.getContext("2d").putImageData(image, 0, 0);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.imageSmoothingEnabled = false;
  const top = u.valToPos(high / columns.resolution, "y", true);
  const bottom = u.valToPos(low / columns.resolution, "y", true);
  columns.all.forEach(({ time }, x) => {
    const before = columns.all[x - 1]?.time ?? time - columns.step;
    const left = u.valToPos(Math.max(before, time - columns.step * 1.5), "x", true);
    const right = u.valToPos(time, "x", true);
    ctx.drawImage(canvas, x, 0, 1, rows, Math.floor(left), top, Math.ceil(right) - Math.floor(left), bottom - top);
  });
  ctx.restore();
}

/** Draws a heat map; `others` are lines beside the quantiles. Gives back the lines, as rows of a legend. */
export function drawHeatmap(chart, columns, others, span) {
  const { panel } = chart;
  const times = columns.all.map(({ time }) => time);
  const bounds = columns.bounds();
  const thresholds = panel.thresholds ?? [];
  const quantiles = QUANTILES.map(([, name], index) => ({
    key: name, name, colour: COLOURS[index], labels: {},
    values: columns.all.map((column) => column.quantiles[index] ?? null),
  }));
  // What an alert looks at, on the same times.
  const extra = others.map(({ name, values }) => ({
    key: name, name, colour: "watched", labels: {}, values: times.map((time) => nearest(values, time, columns.step)),
  }));
  const lines = [...quantiles, ...extra];
  const logarithm = (value) => value === null || value <= 0 ? null : Math.log2(value);
  chart.columns = columns;
  const range = () => {
    const now = chart.columns.bounds() ?? [0, 8];
    let [low, high] = [(now[0] - 1) / chart.columns.resolution, (now[1] + 1) / chart.columns.resolution];
    for (const { value } of thresholds) {
      const at = logarithm(value);
      if (at !== null && at > high && at < high + 5) high = at + 0.5;
    }
    return high - low < 1 ? [low - 0.5, high + 0.5] : [low, high];
  };
  const build = (base) => ({
    ...base,
    cursor: { ...base.cursor, points: { size: 5 } },
    scales: { x: { time: true }, y: { range } },
    axes: [timeAxis(), {
      stroke: () => colour("quiet"), font: "11px system-ui, sans-serif", size: 62, gap: 6,
      grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false },
      splits: (u, axis, low, high) => ticks(low, high, panel.unit),
      values: (u, all) => all.map((at) => inUnit(2 ** at, panel.unit)),
    }],
    series: [{}, ...lines.map((line) => ({
      stroke: () => colour(line.colour), width: { p50: 2, watched: 1 }[line.colour] ?? 1.5,
      dash: { p999: [3, 3], watched: [8, 3] }[line.colour], points: { show: false }, spanGaps: false,
    }))],
    hooks: {
      ...base.hooks,
      drawAxes: [(u) => {
        const now = chart.columns.bounds();
        if (now) drawCells(u, chart.columns, now);
      }],
      draw: [(u) => drawThresholds(u, thresholds, panel.unit, logarithm)],
    },
  });
  const data = [times, ...lines.map((line) => line.values.map(logarithm))];
  chart.draw(`heat ${lines.map((line) => line.key).join()}`, build, data, span);
  return bounds ? lines : [];
}

/** The value of a line at the time that is nearest, if that is near. */
function nearest(samples, time, step) {
  let low = 0;
  let high = samples.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (samples[middle][0] < time - step / 2) low = middle + 1;
    else high = middle;
  }
  const found = samples[low];
  return found && Math.abs(found[0] - time) <= step ? found[1] : null;
}
