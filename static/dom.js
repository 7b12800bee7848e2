// Making elements. Text given here is always text, never markup.
import { ICONS } from "./icons.js";

const STATIC = new URL(".", import.meta.url);

/**
 * @param {string} tag
 * @param {Record<string, unknown>} [props] attributes; a function under `onclick` and the like listens; `class` is a class list
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** @param {string} name of ICONS */
export function icon(name) {
  const box = document.createElement("template");
  box.innerHTML = ICONS[name];
  const svg = box.content.firstElementChild;
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

/**
 * A button with an icon and, unless `text` is given, with its name as a tooltip only.
 * @param {{name: string, icon?: string, text?: string, class?: string, onclick?: (event: Event) => void, [more: string]: unknown}} options
 */
export function button({ name, icon: picture, text, class: classes = "", ...rest }) {
  const tip = text ? {} : { title: name };
  const props = { type: "button", "aria-label": text === name ? undefined : name, ...tip, class: `button ${classes}`, ...rest };
  return h("button", props, picture && icon(picture), text && h("span", {}, text));
}

/**
 * Open a shadow root in the place that Gradio left, and wait until its style sheets are there.
 * @param {HTMLElement} host
 * @param {string[]} sheets names of files of static/, without .css
 */
export async function shadow(host, sheets) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: "open" });
  const loaded = ["base", ...sheets].map((name) => {
    const link = h("link", { rel: "stylesheet", href: new URL(`${name}.css`, STATIC).href });
    root.append(link);
    return new Promise((done) => ["load", "error"].forEach((event) => link.addEventListener(event, done)));
  });
  await Promise.all(loaded);
  return root;
}

let layer;
/** The shadow root above everything else, for dialogs and toasts. Made once. */
export function topLayer() {
  layer ??= shadow(document.body.appendChild(h("div", { id: "m3-top-layer" })), ["dialogs"]);
  return layer;
}

/** Text to the clipboard, also where the page is not served over HTTPS. @param {string} text */
export async function copy(text) {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.body.appendChild(h("textarea", { style: "position:fixed;opacity:0", "aria-label": "Text to copy" }));
  field.value = text;
  field.select();
  document.execCommand("copy");
  field.remove();
}
