// Completion in the query box: names of metrics and functions, of labels, and labels' values, by the keyboard or by pointing.

import { ask } from "./api.js";
import { byId, make } from "./dom.js";
import { FUNCTIONS, context } from "./promql.js";

const MOST = 12;
/** How long names are remembered, in milliseconds. */
const FRESH = 30_000;
const known = new Map();

function names(path, parameters) {
  const key = path + JSON.stringify(parameters);
  const found = known.get(key);
  if (found && performance.now() - found.at < FRESH) return found.names;
  const names = ask(path, parameters).catch(() => []);
  known.set(key, { at: performance.now(), names });
  return names;
}

async function candidates(at) {
  const match = at.metric ? { "match[]": at.metric } : {};
  if (at.kind === "value") return names(`label/${at.label}/values`, match);
  if (at.kind === "label") return (await names("labels", match)).filter((name) => name !== "__name__");
  const metrics = await names("label/__name__/values", {});
  return [...metrics, ...FUNCTIONS.map((name) => `${name}(`)];
}

/** Those that begin with what was typed first, then those that have it somewhere. */
function fitting(all, typed) {
  const wanted = typed.toLowerCase();
  const place = (name) => {
    const at = name.toLowerCase().indexOf(wanted);
    return at === 0 ? 0 : name.toLowerCase().includes(`_${wanted}`) ? 1 : at > 0 ? 2 : 3;
  };
  const ranked = all.map((name) => [place(name), name]).filter(([rank, name]) => rank < 3 && name !== typed);
  return ranked.sort((a, b) => a[0] - b[0] || a[1].localeCompare(b[1])).slice(0, MOST).map(([, name]) => name);
}

export function completes(input) {
  const list = byId("suggestions");
  let at = null;
  let chosen = -1;
  let asked = 0;

  const close = () => {
    list.hidden = true;
    chosen = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };

  const choose = (index) => {
    const options = [...list.children];
    chosen = (index + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
    options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[chosen].id);
  };

  const take = (name) => {
    const behind = input.value.slice(input.selectionEnd);
    const cursor = at.from + name.length;
    input.value = input.value.slice(0, at.from) + name + behind;
    input.setSelectionRange(cursor, cursor);
    close();
  };

  const suggest = async () => {
    const number = asked += 1;
    at = context(input.value, input.selectionStart);
    if (at.kind === "metric" && at.typed === "") { close(); return; }
    const all = fitting(await candidates(at), at.typed);
    if (number !== asked || document.activeElement !== input) return;
    if (all.length === 0) { close(); return; }
    list.replaceChildren(...all.map((name, index) => make("li", {
      id: `suggestion-${index}`, role: "option", "aria-selected": "false",
      onmousedown: (event) => { event.preventDefault(); take(name); suggest(); },
    }, name)));
    list.hidden = false;
    chosen = -1;
    input.setAttribute("aria-expanded", "true");
  };

  input.addEventListener("input", suggest);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !list.hidden) { close(); event.preventDefault(); return; }
    if (event.key === " " && event.ctrlKey) { suggest(); event.preventDefault(); return; }
    if (list.hidden) return;
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen < 0 ? list.children.length - 1 : chosen - 1);
    else if (event.key === "Tab" && !event.shiftKey) take(list.children[Math.max(chosen, 0)].textContent);
    else if (event.key === "Enter" && chosen >= 0) take(list.children[chosen].textContent);
    else return;
    event.preventDefault();
  });
  return close;
}
