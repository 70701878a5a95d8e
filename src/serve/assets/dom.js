// Elements of the page. Everything that came from outside becomes text, never markup.

/** Makes an element: `make("p", {class: "x", onclick: f}, "text", child)`. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "colour") element.style.setProperty("--colour", value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== undefined && child !== null));
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Sets a text, only if it is another one: screen readers read what changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let colours = new Map();

/** A colour of the style sheet, as the theme in force has it. */
export function colour(name) {
  if (!colours.has(name)) {
    colours.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  }
  return colours.get(name);
}

export const forgetColours = () => { colours = new Map(); };

/** The colour of the n-th series. */
export const seriesColour = (index) => colour(`series-${index % 8}`);
