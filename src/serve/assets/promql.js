// As much of PromQL's grammar as the page needs: where the selectors of an expression are.

/** Words that take a list of labels in parentheses. */
const GROUPING = new Set(["by", "without", "on", "ignoring", "group_left", "group_right"]);
/** Words that are no metrics. */
const WORDS = new Set(["and", "or", "unless", "bool", "offset", "atan2", "inf", "nan"]);

export const FUNCTIONS = ("abs absent absent_over_time avg avg_over_time bottomk ceil changes clamp clamp_max clamp_min count "
  + "count_over_time count_values delta deriv exp floor group histogram_count histogram_fraction histogram_quantile histogram_sum "
  + "holt_winters idelta increase irate label_join label_replace last_over_time ln log10 log2 max max_over_time min min_over_time "
  + "predict_linear present_over_time quantile quantile_over_time rate resets round scalar sgn sort sort_desc sqrt stddev "
  + "stddev_over_time stdvar sum sum_over_time time timestamp topk vector").split(" ");

/** Where the part that begins at `at` with a quotation mark or a bracket ends. */
function endOf(text, at) {
  const open = text[at];
  if (open === '"' || open === "'" || open === "`") {
    for (let i = at + 1; i < text.length; i += 1) {
      if (text[i] === "\\" && open !== "`") i += 1;
      else if (text[i] === open) return i + 1;
    }
    return text.length;
  }
  const close = { "{": "}", "[": "]", "(": ")" }[open];
  for (let i = at + 1; i < text.length; i += 1) {
    if (text[i] === close) return i + 1;
    if ("\"'`".includes(text[i])) i = endOf(text, i) - 1;
  }
  return text.length;
}

const quoted = (text) => `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
const literally = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

/** Matchers of a filter: series without the label are taken as well. */
export function matchers(filter) {
  return Object.entries(filter).map(([name, value]) => `${name}=~${quoted(`|${literally(value)}`)}`).join(",");
}

/** An expression whose selectors take only what `filter` lets through. */
export function filtered(text, filter) {
  const wanted = matchers(filter);
  if (!wanted) return text;
  let out = "";
  for (let at = 0; at < text.length;) {
    const rest = text.slice(at);
    const character = text[at];
    let end = at + 1;
    let piece;
    const word = /^[A-Za-z_:][\w:]*/.exec(rest)?.[0];
    if (word) {
      end = at + word.length;
      const space = /^\s*/.exec(text.slice(end))[0].length;
      const after = text[end + space];
      const follows = /^\s*(by|without)\b/i.test(text.slice(end));
      if (GROUPING.has(word.toLowerCase())) end = after === "(" ? endOf(text, end + space) : end;
      else if (!follows && !WORDS.has(word.toLowerCase()) && after !== "(" && after !== "{") piece = `${word}{${wanted}}`;
    } else if (character === "{") {
      end = endOf(text, at);
      const inner = text.slice(at + 1, end - 1).trim();
      piece = inner ? `{${wanted},${inner}}` : `{${wanted}}`;
    } else if ("\"'`[".includes(character)) {
      end = endOf(text, at);
    } else {
      const number = /^\d[\d.]*([eE][+-]?\d+)?\w*/.exec(rest)?.[0];
      if (number) end = at + number.length;
    }
    out += piece ?? text.slice(at, end);
    at = end;
  }
  return out;
}

/** What stands at the cursor: which kind of name is begun there, and from where on. */
export function context(text, cursor) {
  const before = text.slice(0, cursor);
  const brace = before.lastIndexOf("{");
  const inside = brace > before.lastIndexOf("}") && endOf(text, brace) >= cursor;
  if (inside) {
    const metric = /[A-Za-z_:][\w:]*\s*$/.exec(before.slice(0, brace))?.[0].trim() ?? "";
    const value = /([A-Za-z_]\w*)\s*(=~|!~|!=|=)\s*"([^"]*)$/.exec(before.slice(brace));
    if (value) return { kind: "value", label: value[1], metric, typed: value[3], from: cursor - value[3].length };
    const label = /[A-Za-z_]\w*$/.exec(before)?.[0] ?? "";
    return { kind: "label", metric, typed: label, from: cursor - label.length };
  }
  const list = /\b(by|without|on|ignoring|group_left|group_right)\s*\(([^()]*)$/i.exec(before);
  if (list) {
    const label = /\w*$/.exec(list[2])[0];
    return { kind: "label", metric: "", typed: label, from: cursor - label.length };
  }
  const word = /[A-Za-z_:][\w:]*$/.exec(before)?.[0] ?? "";
  return { kind: "metric", metric: "", typed: word, from: cursor - word.length };
}
