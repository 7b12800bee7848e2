// The keyboard map.
import { open } from "./chats.js";
import { shortcuts } from "./dialogs.js";
import { closeOverlays, toggle } from "./panels.js";
import { emit, state } from "./state.js";

/** What the shortcuts dialog shows. */
export const SHORTCUTS = [
  ["New chat", ["Ctrl", "Shift", "O"], ["Alt", "N"]],
  ["Search chats", ["Ctrl", "K"]],
  ["Send", ["Enter"]],
  ["New line", ["Shift", "Enter"]],
  ["Stop the answer, or close what is open", ["Esc"]],
  ["Edit your last message", ["↑"]],
  ["Show or hide the chat list", ["Ctrl", "B"]],
  ["Settings", ["Ctrl", ","]],
  ["Rename or delete a chat of the list", ["F2"], ["Del"]],
  ["These shortcuts", ["?"], ["Ctrl", "/"]],
];

/** @param {import("./turns.js").Conversation} conversation @param {import("./composer.js").Composer} composer */
export function listenToKeys(conversation, composer) {
  const fresh = () => (open(null), composer.focus());
  const find = () => {
    toggle("left", true);
    setTimeout(() => emit("find")); // a panel that is still inert takes no focus
  };
  const map = new Map([
    ["ctrl+shift+o", fresh],
    ["alt+n", fresh],
    ["ctrl+k", find],
    ["ctrl+b", () => toggle("left")],
    ["ctrl+,", () => toggle("right")],
    ["ctrl+/", () => shortcuts(SHORTCUTS)],
  ]);
  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
    const typing = target.matches?.("input, textarea, select, [contenteditable]");
    if (event.key === "Escape") return escape(event);
    if (event.key === "?" && !typing && !event.ctrlKey && !event.altKey) return run(event, () => shortcuts(SHORTCUTS));
    const action = map.get(chord(event));
    if (action) run(event, action);
  });

  function escape(event) {
    if (document.querySelector("#m3-top-layer")?.shadowRoot?.querySelector("dialog[open]")) return;
    if (state.live) run(event, () => conversation.stop());
    else if (closeOverlays()) event.preventDefault();
  }
}

/** @param {KeyboardEvent} event @param {() => void} action */
function run(event, action) {
  event.preventDefault();
  action();
}

/** @param {KeyboardEvent} event */
function chord(event) {
  const letter = event.altKey && event.code.startsWith("Key") ? event.code.slice(3) : event.key; // Alt makes other letters on a Mac
  return [(event.ctrlKey || event.metaKey) && "ctrl", event.altKey && "alt", event.shiftKey && "shift", letter.toLowerCase()].filter(Boolean).join("+");
}
