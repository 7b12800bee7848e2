// Editing a message of the user in its place.
import { button, h } from "./dom.js";

/**
 * @param {import("./message.js").Question} view
 * @param {(text: string) => void} onsend
 */
export function editInPlace(view, onsend) {
  if (view.element.querySelector(".editor")) return;
  const old = view.message.content;
  const field = h("textarea", { "aria-label": "Edit message", "data-testid": "editor", dir: "auto" });
  field.value = old;
  const close = () => {
    editor.remove();
    view.element.classList.remove("edited");
  };
  const send = () => {
    const text = field.value.trim();
    if (!text) return;
    close();
    onsend(text);
  };
  const row = h("div", { class: "row" }, h("small", {}, "The old version is kept."), h("span", { class: "space" }),
    button({ name: "Cancel", text: "Cancel", class: "quiet", onclick: close }),
    button({ name: "Send", text: "Send", class: "primary", "data-testid": "editor-send", onclick: send }));
  const editor = h("div", { class: "editor" }, field, row);
  view.element.classList.add("edited");
  view.element.prepend(editor);
  field.focus();
  field.setSelectionRange(old.length, old.length);
  editor.scrollIntoView({ block: "nearest" });
  field.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      close();
    }
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    }
  });
}
