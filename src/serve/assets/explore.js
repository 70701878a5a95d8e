// The query box: an expression, and what it finds: a chart of its range and a table of its latest values.

import { ask } from "./api.js";
import { byId, make } from "./dom.js";
import { inUnit, named, telling } from "./format.js";
import { completes } from "./complete.js";
import { change, state } from "./state.js";

/** Rows of the table. */
const ROWS = 50;

/** `place(panel)` makes the element of a panel, `remove(element)` takes it back. */
export function explore(place, remove, onNew) {
  const form = byId("ask");
  const input = byId("query");
  const answer = byId("answer");
  const close = completes(input);
  let shown = null;

  const clear = () => {
    if (shown) remove(shown);
    shown = null;
    answer.hidden = true;
    answer.replaceChildren();
  };

  const table = (data) => {
    if (data.resultType === "scalar" || data.resultType === "string") {
      return make("p", { class: "result" }, String(data.result[1]));
    }
    const names = telling(data.result.map(({ metric }) => metric));
    const columns = names.length ? names : ["series"];
    const rows = data.result.slice(0, ROWS).map(({ metric, value, histogram }) => {
      const text = value ? inUnit(Number(value[1]), "number") : histogram ? `${inUnit(Number(histogram[1].count), "number")} values` : "";
      const cells = names.length ? names.map((name) => metric[name] ?? "") : [named(metric, "", [], "value")];
      return make("tr", {}, ...cells.map((cell) => make("td", {}, cell)),
        make("td", { class: "number", title: value ? value[1] : "" }, text));
    });
    const note = data.result.length > ROWS ? make("p", { class: "quiet" }, `${data.result.length - ROWS} more series`) : null;
    return make("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Values" },
      make("table", {}, make("thead", {}, make("tr", {}, ...columns.map((name) => make("th", { scope: "col" }, name)),
        make("th", { scope: "col", class: "number" }, "value"))), make("tbody", {}, ...rows)), note);
  };

  const run = async () => {
    clear();
    const text = state.query.trim();
    if (!text) return;
    answer.hidden = false;
    answer.append(make("p", { class: "quiet", role: "status" }, "…"));
    try {
      const data = await ask("query", { query: text });
      if (state.query.trim() !== text) return;
      const count = data.resultType === "vector" ? data.result.length : 1;
      const isChart = data.resultType === "scalar" || (data.resultType === "vector" && count > 0 && !data.result[0].histogram);
      const isCells = data.resultType === "vector" && count > 0 && data.result[0].histogram;
      const close = make("button", { type: "button", class: "close", onclick: () => { input.value = ""; change({ query: "" }); } }, "Close");
      const heading = make("p", { class: "found", role: "status" }, `${count} ${count === 1 ? "series" : "series"}`, close);
      const parts = [heading];
      if (isChart) {
        shown = place({
          metric: text, title: text, question: "", kind: "lines", unit: "number", targets: [{ expression: text, legend: "" }],
          thresholds: [], states: [], histogram: null,
        });
        parts.push(make("div", { class: "grid one" }, shown));
      }
      if (isCells) heading.prepend("a histogram: ask for histogram_quantile(0.99, …) of it. ");
      parts.push(table(data));
      answer.replaceChildren(...parts);
      onNew();
    } catch (error) {
      answer.replaceChildren(make("p", { class: "error", role: "alert" }, error.message));
    }
  };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    close();
    if (input.value === state.query) run();
    else change({ query: input.value });
  });
  addEventListener("keydown", (event) => {
    const typing = /^(input|textarea|select)$/i.test(document.activeElement?.tagName ?? "");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      input.focus();
      input.select();
    }
  });
  return { run, show() { if (input.value !== state.query) input.value = state.query; } };
}
