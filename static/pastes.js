// Big pastes: shown as cards beside the text field, because a field with a million characters freezes the page.
import { button, h, icon } from "./dom.js";
import { count } from "./format.js";

export const LARGE = 8000; // characters

export class Pastes {
  /** @param {HTMLTextAreaElement} field @param {() => void} onchange */
  constructor(field, onchange) {
    this.field = field;
    this.onchange = onchange;
    /** @type {string[]} */
    this.texts = [];
    this.element = h("div", { class: "pastes", hidden: true });
    field.addEventListener("paste", (event) => {
      const text = event.clipboardData?.getData("text/plain") ?? "";
      if (text.length < LARGE) return;
      event.preventDefault();
      this.set([...this.texts, text]);
      onchange();
    });
  }

  /** @param {string[]} texts */
  set(texts) {
    this.texts = texts;
    this.element.hidden = !texts.length;
    this.element.replaceChildren(...texts.map((text, i) => this.#card(text, i)));
  }

  #card(text, index) {
    const take = (put) => {
      this.set(this.texts.filter((_, i) => i !== index));
      if (put) this.field.value += text;
      this.onchange();
      this.field.focus();
    };
    const lines = text.split("\n").length;
    const words = `${count(text.length)} characters, ${count(lines)} ${lines === 1 ? "line" : "lines"}`;
    return h("div", { class: "paste", "data-testid": "paste" }, icon("text"),
      h("span", { class: "what" }, h("b", {}, "Pasted text"), h("small", {}, words)),
      button({ name: "Edit as text", icon: "pencil", class: "small", onclick: () => take(true) }),
      button({ name: "Remove pasted text", icon: "close", class: "small", onclick: () => take(false) }));
  }
}
