// Timelines: what each node is, over time, and what term or view it was; where that changed between two generations, a mark.

import { timeAxis } from "./chart.js";
import { colour } from "./dom.js";
import { clock } from "./format.js";

const LANE = 22;
/** Room for names; less on a phone. */
const gutter = () => innerWidth < 620 ? 54 : 74;
/** Lanes of states at most. */
const MOST = 12;

/** What well-known states look like; others by their place. */
const KNOWN = {
  leader: "role-leader", primary: "role-leader", candidate: "role-candidate", follower: "role-follower", replica: "role-follower",
  learner: "role-learner", none: "role-none", stopped: "role-none", running: "role-follower", healthy: "good",
  warning: "warn", critical: "bad", failing: "bad",
};

/** States whose colour is dark. */
const DARK = new Set(["role-leader", "good", "warn", "bad"]);

const NUMBERS = /(^|_)(term|view|epoch|round)$/;
const CHANGES = /(^|_)(leader_changes|view_changes|view_timeouts|elections)_total$/;
/** Labels by which replicas differ. What they agree on is one lane. */
const REPLICAS = "replica, node, instance, validator";

/** What of a bundle belongs onto a timeline beside its states: expressions of numbers that rise, and of counters of changes. */
export function companions(bundle) {
  const panels = bundle.sections.flatMap((section) => section.panels).filter((panel) => panel.derived === null);
  const named = (type, pattern) => panels.filter((panel) => panel.type === type && pattern.test(panel.metric));
  const numbers = named("gauge", NUMBERS).map((panel) => ({
    title: panel.title, expression: `max without (${REPLICAS}) (${panel.metric})`,
  }));
  // One counter tells it; more would mark the same change twice.
  const changes = named("counter", CHANGES).sort((a, b) => rank(a.metric) - rank(b.metric)).slice(0, 1).map((panel) => ({
    title: panel.title, expression: `max without (${REPLICAS}) (${panel.metric})`,
  }));
  return { numbers, changes };
}

const rank = (metric) => ["leader_changes", "view_changes", "elections", "view_timeouts"].findIndex((word) => metric.includes(word));

/** Of replicas that each tell of all nodes, what each tells of itself. */
export function ownViews(rows) {
  const own = rows.filter(({ labels }) => labels.node !== undefined && labels.node === labels.replica);
  return own.length > 1 && rows.every(({ labels }) => labels.node && labels.replica) ? own : rows;
}

/** Runs of the same value. */
function runs(times, values, step) {
  const out = [];
  values.forEach((value, at) => {
    if (value === null) return;
    const last = out.at(-1);
    if (last && last.value === value && last.end === at) { last.to = times[at]; last.end = at + 1; }
    else out.push({ value, from: out.length && last.end === at ? times[at - 1] : times[at] - step, to: times[at], end: at + 1 });
  });
  return out;
}

/** Where a number or a counter rose, and by how much. */
function rises(times, rows) {
  const out = new Map();
  for (const { values } of rows) {
    let before = null;
    values.forEach((value, at) => {
      if (value !== null && before !== null && value > before) {
        const time = times[at];
        const known = out.get(time);
        out.set(time, { time, from: known?.from ?? before, to: Math.max(value, known?.to ?? value) });
      }
      if (value !== null) before = value;
    });
  }
  return out;
}

/** What happened: changes of the number, and who led before and after. */
export function happenings(frame, states, lanes) {
  const times = frame.times;
  const isLeader = (value) => /^(leader|primary)$/.test(states.get(value) ?? "");
  const leaderAt = (time, direction) => {
    const at = times.indexOf(time);
    for (let i = at; i >= 0 && i < times.length && Math.abs(i - at) <= 10; i += direction) {
      const row = lanes.states.find(({ values }) => values[i] !== null && isLeader(values[i]));
      if (row) return { name: row.name, time: times[i] };
    }
    return null;
  };
  const all = new Map();
  for (const { title, rows } of lanes.numbers) {
    for (const [time, rise] of rises(times, rows)) {
      // A view that moves many times a second is no event.
      if (rise.to - rise.from > 50) continue;
      all.set(time, { time, what: `${title.toLowerCase()} ${rise.from} → ${rise.to}` });
    }
  }
  if (all.size > times.length / 4) all.clear();
  for (const { title, rows } of lanes.changes) {
    for (const [time] of rises(times, rows)) {
      if (!all.has(time)) all.set(time, { time, what: title.toLowerCase().replace(/ in \d+ minutes$/, "") });
    }
  }
  const sorted = [...all.values()].sort((a, b) => a.time - b.time);
  // Replicas see the same change in different generations: what follows at once belongs to it.
  const merged = [];
  for (const one of sorted) {
    const last = merged.at(-1);
    if (last && one.time - last.until <= frame.step * 2 + 0.5) {
      last.until = one.time;
      last.all.push(one.what);
    } else merged.push({ time: one.time, until: one.time, all: [one.what] });
  }
  return merged.map(({ time, until, all: what }) => {
    const before = leaderAt(times[Math.max(times.indexOf(time) - 1, 0)], -1);
    const after = leaderAt(until, 1);
    const gap = before && after ? after.time - before.time : null;
    const numbers = what.filter((text) => text.includes("→"));
    const span = numbers.length > 1 ? [`${numbers[0].split(" → ")[0]} → ${numbers.at(-1).split(" → ")[1]}`] : numbers;
    const parts = [...(span.length ? span : what.slice(0, 1))];
    if (before && after && before.name !== after.name) parts.push(`leader ${before.name} → ${after.name}`);
    else if (after) parts.push(`leader ${after.name}`);
    if (gap !== null) parts.push(gap <= frame.step * 1.5 ? `within ${Math.round(gap * 10) / 10 || 1} s` : `${Math.round(gap)} s`);
    return { time, text: parts.join(" · ") };
  });
}

function paintOf(value, states) {
  const word = states.get(value);
  const name = KNOWN[word] ?? `series-${Math.abs(Math.round(value)) % 8}`;
  const isDark = DARK.has(name) || name.startsWith("series-");
  return { fill: colour(name), text: word ?? String(value), ink: colour(isDark ? "card" : "role-ink") };
}

function drawLane(u, index, lane, paint) {
  const { ctx, bbox } = u;
  const scale = devicePixelRatio;
  const top = bbox.top + index * LANE * scale + 2 * scale;
  const height = LANE * scale - 4 * scale;
  ctx.fillStyle = colour("quiet");
  ctx.font = `${11 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "right";
  ctx.textBaseline = "middle";
  ctx.fillText(cut(ctx, lane.name, (gutter() - 12) * scale), bbox.left - 8 * scale, top + height / 2);
  ctx.textAlign = "left";
  for (const run of lane.runs) {
    const left = Math.max(u.valToPos(run.from, "x", true), bbox.left);
    const right = Math.min(u.valToPos(run.to, "x", true), bbox.left + bbox.width);
    if (right <= bbox.left || left >= bbox.left + bbox.width) continue;
    const { fill, text, ink } = paint(run);
    ctx.fillStyle = fill;
    ctx.fillRect(left, top, Math.max(right - left - 0.5 * scale, 1), height);
    if (ctx.measureText(text).width < right - left - 10 * scale) {
      ctx.fillStyle = ink;
      ctx.fillText(text, left + 5 * scale, top + height / 2 + scale / 2);
    }
  }
}

function cut(ctx, text, width) {
  if (ctx.measureText(text).width <= width) return text;
  let short = text;
  while (short.length > 1 && ctx.measureText(`${short}…`).width > width) short = short.slice(0, -1);
  return `${short}…`;
}

/** Draws the timeline, and gives back what happened in it. */
export function drawTimeline(chart, frame, groups, span) {
  const { panel } = chart;
  const states = new Map(panel.states ?? []);
  const lanes = {
    states: groups.states.slice(0, MOST),
    numbers: groups.numbers,
    changes: groups.changes,
  };
  const events = happenings(frame, states, lanes);
  const paintState = (run) => paintOf(run.value, states);
  const drawn = lanes.states.map((row) => ({ name: row.name, runs: runs(frame.times, row.values, frame.step), paint: paintState }));
  for (const { title, rows } of lanes.numbers) {
    for (const row of rows) {
      const all = runs(frame.times, row.values, frame.step).map((run, index) => ({ ...run, index }));
      const paint = (run) => ({
        fill: colour(run.index % 2 ? "band-odd" : "band-even"), text: String(run.value), ink: colour("ink"),
      });
      drawn.push({ name: rows.length > 1 && row.name ? row.name : title.toLowerCase(), runs: all, paint });
    }
  }
  chart.lanes = { drawn, events };
  const height = drawn.length * LANE + 26 + 14;
  const build = (base) => ({
    ...base,
    height,
    padding: [14, 22, 0, 0],
    scales: { x: { time: true }, y: { range: [0, 1] } },
    axes: [timeAxis(), { show: true, size: gutter(), splits: () => [], grid: { show: false }, ticks: { show: false } }],
    series: [{}, { show: true, stroke: "transparent", points: { show: false } }],
    cursor: { ...base.cursor, points: { show: false } },
    hooks: {
      ...base.hooks,
      draw: [(u) => {
        const { ctx, bbox } = u;
        const scale = devicePixelRatio;
        ctx.save();
        chart.lanes.drawn.forEach((lane, index) => drawLane(u, index, lane, lane.paint));
        for (const { time } of chart.lanes.events) {
          const x = u.valToPos(time, "x", true);
          if (x < bbox.left || x > bbox.left + bbox.width) continue;
          ctx.strokeStyle = ctx.fillStyle = colour("mark");
          ctx.lineWidth = 1.5 * scale;
          ctx.beginPath();
          ctx.moveTo(x, bbox.top - 2 * scale);
          ctx.lineTo(x, bbox.top + bbox.height);
          ctx.stroke();
          ctx.beginPath();
          ctx.moveTo(x - 5 * scale, bbox.top - 10 * scale);
          ctx.lineTo(x + 5 * scale, bbox.top - 10 * scale);
          ctx.lineTo(x, bbox.top - 2 * scale);
          ctx.fill();
        }
        ctx.restore();
      }],
    },
  });
  const zeros = frame.times.map(() => 0);
  chart.draw(`timeline ${drawn.map((lane) => lane.name).join()}`, build, [frame.times, zeros], span);
  return { events, states, rows: lanes.states };
}

/** What a timeline shows at a time, in words. */
export const atTime = (time, rows, states, index) => {
  const words = rows.map((row) => {
    const value = index === null ? row.values.findLast((one) => one !== null) : row.values[index];
    return value === null || value === undefined ? null : `${row.name}: ${states.get(value) ?? value}`;
  });
  return `${clock(time)} ${words.filter(Boolean).join(", ")}`;
};
