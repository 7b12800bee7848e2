// Short words at the edge of the page, with at most one thing to do about them.
import { button, h, topLayer } from "./dom.js";

/**
 * @param {string} text
 * @param {{act?: string, onact?: () => void, seconds?: number, error?: boolean}} [options]
 */
export async function toast(text, { act, onact, seconds = 5, error = false } = {}) {
  const root = await topLayer();
  let shelf = root.querySelector(".toasts");
  if (!shelf) {
    shelf = h("div", { class: "toasts", role: "status", "aria-live": "polite", popover: "manual" });
    root.append(shelf);
  }
  const note = h("div", { class: `toast${error ? " error" : ""}`, "data-testid": "toast" }, h("span", {}, text));
  const done = () => {
    note.remove();
    if (!shelf.childElementCount && shelf.matches(":popover-open")) shelf.hidePopover();
  };
  if (act) note.append(button({ name: act, text: act, class: "act", onclick: () => (done(), onact?.()) }));
  note.append(button({ name: "Dismiss", icon: "close", class: "small", onclick: done }));
  shelf.append(note);
  if (shelf.matches(":popover-open")) shelf.hidePopover(); // shown anew: above a dialog that opened meanwhile
  shelf.showPopover();
  setTimeout(done, seconds * 1000);
}

/** Show what went wrong. @param {unknown} error */
export const complain = (error) => toast(error instanceof Error ? error.message : String(error), { error: true, seconds: 9 });
