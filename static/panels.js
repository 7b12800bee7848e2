// The two side panels: on a desk they push the chat aside, on a phone they slide over it.
import { button, h, shadow } from "./dom.js";
import { emit } from "./state.js";

const phone = matchMedia("(max-width: 860px)");
const KEY = "m3-panels";
/** @type {{left: boolean, right: boolean}} */
const shown = { left: true, right: false };

/** @param {"left" | "right"} side */
export const isShown = (side) => shown[side];

/** @param {"left" | "right"} side @param {boolean} [want] */
export function toggle(side, want = !shown[side]) {
  shown[side] = want;
  if (phone.matches && want) shown[side === "left" ? "right" : "left"] = false;
  if (!phone.matches) localStorage.setItem(KEY, JSON.stringify(shown));
  draw();
}

/** Panels that cover the chat go away. @returns {boolean} whether one was there */
export function closeOverlays() {
  if (!phone.matches || !(shown.left || shown.right)) return false;
  shown.left = shown.right = false;
  draw();
  return true;
}

function draw() {
  for (const side of /** @type {const} */ (["left", "right"])) {
    document.body.classList.toggle(`m3-${side}-shown`, shown[side]);
    const panel = document.getElementById(`m3-${side}`);
    if (panel) panel.inert = !shown[side];
  }
  emit("panels");
}

function settle() {
  const kept = phone.matches ? { left: false, right: false } : JSON.parse(localStorage.getItem(KEY) ?? "{}");
  Object.assign(shown, { left: !phone.matches, right: false }, kept);
  draw();
}

/** Set the panels up; called once, by the first surface that is drawn. */
export function arrange() {
  if (document.querySelector(".m3-scrim")) return;
  document.getElementById("m3-shell")?.append(h("div", { class: "m3-scrim", onclick: closeOverlays }));
  const panel = document.getElementById("m3-right");
  panel.dataset.testid = "settings-panel";
  panel.setAttribute("role", "region");
  panel.setAttribute("aria-label", "Settings");
  phone.addEventListener("change", settle);
  settle();
}

/** The head of the settings panel. @param {HTMLElement} element */
export async function mount(element) {
  const root = await shadow(element.querySelector(".m3-host"), ["dialogs"]);
  const close = button({ name: "Close settings", icon: "close", onclick: () => toggle("right", false) });
  root.append(h("header", { class: "panel-head" }, h("h2", {}, "Settings"), close));
}
