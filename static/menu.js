// A small menu beside the button that opened it.
import { h, icon } from "./dom.js";

/**
 * @param {HTMLElement} opener
 * @param {{text: string, hint?: string, icon?: string, danger?: boolean, checked?: boolean, run: () => void}[]} entries
 */
export function menu(opener, entries) {
  const box = h("div", { class: "menu", role: "menu", popover: "auto" });
  for (const { text, hint, icon: picture, danger, checked, run } of entries) {
    const role = checked === undefined ? "menuitem" : "menuitemradio";
    const entry = h("button", { type: "button", role, class: danger ? "danger" : "", "aria-checked": checked },
      picture && icon(picture), h("span", { class: "label" }, text, hint && h("small", {}, hint)), checked && icon("check"));
    entry.addEventListener("click", () => (box.hidePopover(), run()));
    box.append(entry);
  }
  opener.getRootNode().append(box);
  box.addEventListener("toggle", (event) => event.newState === "closed" && (box.remove(), opener.setAttribute("aria-expanded", "false")));
  box.addEventListener("keydown", (event) => walk(event, box));
  box.showPopover();
  opener.setAttribute("aria-expanded", "true");
  place(box, opener);
  (box.querySelector("[aria-checked=true]") ?? box.firstElementChild).focus();
}

/** Put an open popover below its opener, or above it where there is no room. @param {HTMLElement} box @param {HTMLElement} opener */
export function place(box, opener) {
  const anchor = opener.getBoundingClientRect();
  const { width, height } = box.getBoundingClientRect();
  const gap = 6;
  const below = anchor.bottom + gap + height <= innerHeight - gap;
  const start = document.dir === "rtl" ? anchor.right - width : anchor.left;
  box.style.left = `${Math.max(gap, Math.min(start, innerWidth - width - gap))}px`;
  box.style.top = `${below ? anchor.bottom + gap : Math.max(gap, anchor.top - height - gap)}px`;
}

function walk(event, box) {
  const entries = [...box.querySelectorAll("button")];
  const at = entries.indexOf(box.getRootNode().activeElement);
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") event.stopPropagation();
  if (event.key === "Tab") box.hidePopover();
  if (!step) return;
  event.preventDefault();
  entries[(at + step + entries.length) % entries.length].focus();
}
