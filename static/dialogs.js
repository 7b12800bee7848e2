// Dialogs: the frame of one, the shortcuts, and the instructions of a chat.
import { button, h, topLayer } from "./dom.js";

/**
 * Open a dialog above the page.
 * @param {string} title @param {(Node | string)[]} parts @param {Record<string, string>} [props]
 * @returns {Promise<HTMLDialogElement>}
 */
export async function dialog(title, parts, props = {}) {
  const root = await topLayer();
  const id = `title-${Date.now()}`;
  const close = button({ name: "Close", icon: "close", class: "small", onclick: () => box.close() });
  const box = /** @type {HTMLDialogElement} */ (h("dialog", { "aria-labelledby": id, ...props }, h("header", {}, h("h2", { id }, title), close), ...parts));
  const before = document.activeElement;
  box.addEventListener("click", (event) => event.target === box && box.close());
  box.addEventListener("close", () => {
    box.remove();
    before instanceof HTMLElement && before.focus?.();
  });
  root.append(box);
  box.showModal();
  return box;
}

/** @param {(string | string[])[][]} table */
export function shortcuts(table) {
  const apple = /Mac|iPhone|iPad/.test(navigator.platform);
  const names = apple ? { Ctrl: "⌘", Alt: "⌥", Shift: "⇧" } : {};
  const keys = (chord) => h("span", { class: "chord" }, ...chord.map((key) => h("kbd", {}, names[key] ?? key)));
  const rows = table.map(([what, ...chords]) => h("div", {}, h("dt", {}, what), h("dd", {}, ...chords.map(keys))));
  return dialog("Keyboard shortcuts", [h("dl", { class: "shortcuts" }, ...rows)], { "data-testid": "shortcuts" });
}

/** The system prompt of one chat. @param {import("./turns.js").Conversation} conversation */
export async function instructions(conversation) {
  const field = h("textarea", { rows: 7, "aria-label": "Instructions for this chat", placeholder: "As in Settings", dir: "auto" });
  field.value = conversation.own.system_prompt ?? "";
  const keep = (event) => {
    event.preventDefault();
    const { system_prompt, ...others } = conversation.own;
    const text = field.value.trim();
    conversation.set(text ? { ...others, system_prompt: text } : others);
    box.close();
  };
  const row = h("div", { class: "row" }, h("span", { class: "space" }), button({ name: "Cancel", text: "Cancel", class: "quiet", onclick: () => box.close() }),
    h("button", { type: "submit", class: "button primary" }, h("span", {}, "Keep")));
  const box = await dialog("Instructions for this chat", [
    h("form", { onsubmit: keep }, h("p", {}, "The model reads this ahead of the conversation. It takes the place of the system prompt in Settings."), field, row),
  ]);
  field.focus();
}
