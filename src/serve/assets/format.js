// Numbers, times and names, as people read them.

const digits = (value, most) => {
  const size = Math.abs(value);
  const places = size >= 100 ? 0 : size >= 10 ? Math.min(1, most) : most;
  return Number(value.toFixed(places)).toLocaleString("en", { maximumFractionDigits: places });
};

const PREFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

function plain(value) {
  const size = Math.abs(value);
  if (size !== 0 && size < 0.01) return value.toPrecision(2);
  if (size < 10_000) return digits(value, 2);
  for (const [scale, prefix] of PREFIXES) {
    if (size >= scale) return `${digits(value / scale, 2)} ${prefix}`;
  }
  return digits(value, 2);
}

function seconds(value) {
  const size = Math.abs(value);
  if (size === 0) return "0 s";
  if (size < 1e-6) return `${digits(value * 1e9, 0)} ns`;
  if (size < 1e-3) return `${digits(value * 1e6, 2)} µs`;
  if (size < 1) return `${digits(value * 1e3, 2)} ms`;
  if (size < 120) return `${digits(value, 2)} s`;
  if (size < 7200) return `${digits(value / 60, 1)} min`;
  if (size < 172_800) return `${digits(value / 3600, 1)} h`;
  return `${digits(value / 86_400, 1)} d`;
}

function bytes(value) {
  const names = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let at = 0;
  while (Math.abs(value) >= 1024 && at < names.length - 1) { value /= 1024; at += 1; }
  return `${digits(value, at === 0 ? 0 : 2)} ${names[at]}`;
}

/** A value in a panel's unit. */
export function inUnit(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (unit) {
    case "seconds": return seconds(value);
    case "bytes": return bytes(value);
    case "bytes_per_second": return `${bytes(value)}/s`;
    case "ratio": return `${digits(value * 100, 2)} %`;
    case "per_second": return `${plain(value)}/s`;
    default: return plain(value);
  }
}

const two = (number) => String(number).padStart(2, "0");

/** A time of day, by seconds since 1970. */
export function clock(time, withSeconds = true) {
  const at = new Date(time * 1000);
  const text = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return withSeconds ? `${text}:${two(at.getSeconds())}` : text;
}

/** As `clock`, with the day where it is not today's. */
export function moment(time) {
  const at = new Date(time * 1000);
  const today = new Date().toDateString() === at.toDateString();
  return today ? clock(time) : `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(time)}`;
}

/** How long something lasts. */
export function lasting(span) {
  const whole = Math.max(0, Math.round(span));
  if (whole < 60) return `${whole} s`;
  const both = (large, name, small, other) => small ? `${large} ${name} ${small} ${other}` : `${large} ${name}`;
  if (whole < 3600) return both(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86_400) return both(Math.floor(whole / 3600), "h", Math.floor(whole % 3600 / 60), "min");
  return both(Math.floor(whole / 86_400), "d", Math.floor(whole % 86_400 / 3600), "h");
}

/** The labels in which series differ: the others say nothing. */
export function telling(all) {
  const names = new Set(all.flatMap((labels) => Object.keys(labels)));
  return [...names].filter((name) => new Set(all.map((labels) => labels[name])).size > 1).sort();
}

/** What a series is called: by its target's legend, or by the labels in which it differs from the others. */
export function named(labels, legend, names, fallback) {
  const fill = (_, name) => labels[name] ?? "";
  if (legend) {
    const text = legend.replace(/\{\{\s*(\w+)\s*\}\}/g, fill);
    const others = names.filter((name) => name !== "__name__" && labels[name] && !text.includes(labels[name]));
    return others.length ? `${text} ${others.map((name) => labels[name]).join(" ")}` : text;
  }
  const parts = names.filter((name) => labels[name] !== undefined).map((name) => {
    return name === "__name__" ? labels[name] : `${name} ${labels[name]}`;
  });
  return parts.join(" · ") || labels.__name__ || fallback;
}
