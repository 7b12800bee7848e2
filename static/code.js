// A code block: language, copy, line wrap, and colours once it is not too long to colour at every frame.
import hljs from "./vendor/highlight.min.js";
import { button, copy, h, icon } from "./dom.js";

const COLOURED_EACH_FRAME = 6_000; // characters; a longer block is coloured anew each time it has grown by a quarter
const COLOURED_AT_ALL = 200_000;

/**
 * Draw a block, or bring a drawn one up to date.
 * @param {HTMLElement} box @param {string} text @param {string} language @param {boolean} whole no more text comes
 */
export function dressCode(box, text, language, whole) {
  if (!box.classList.contains("code") || box.dataset.language !== language) build(box, language);
  const code = box.querySelector("code");
  const coloured = Number(code.dataset.coloured ?? 0); // so many characters of it have their colours
  const shown = code.textContent;
  const grown = text.length - coloured;
  const due = whole ? grown > 0 : text.length < COLOURED_EACH_FRAME || grown > text.length / 4;
  if (due && hljs.getLanguage(language) && text.length < COLOURED_AT_ALL) {
    code.innerHTML = hljs.highlight(text, { language, ignoreIllegals: true }).value; // it escapes all text
    code.dataset.coloured = String(text.length);
  } else if (text.startsWith(shown)) {
    code.append(text.slice(shown.length));
  } else {
    code.textContent = text;
    code.dataset.coloured = "0";
  }
}

/** @param {HTMLElement} box @param {string} language */
function build(box, language) {
  box.className = "code";
  box.dataset.language = language;
  const name = hljs.getLanguage(language)?.name ?? (language || "Text");
  const wrap = button({ name: "Wrap lines", icon: "wrap", class: "small", "aria-pressed": "false" });
  wrap.addEventListener("click", () => wrap.setAttribute("aria-pressed", String(box.classList.toggle("wrapped"))));
  const copier = button({ name: "Copy code", icon: "copy", class: "small" });
  copier.addEventListener("click", async () => {
    await copy(box.querySelector("code").textContent);
    confirmCopy(copier);
  });
  const head = h("div", { class: "code-head" }, h("span", {}, name), wrap, copier);
  box.replaceChildren(head, h("pre", { tabindex: 0, role: "region", "aria-label": `Code, ${name}` }, h("code")));
}

/** A tick instead of the copy icon, for a moment. @param {HTMLElement} copier */
export function confirmCopy(copier) {
  copier.querySelector(".icon").replaceWith(icon("check"));
  setTimeout(() => copier.querySelector(".icon")?.replaceWith(icon("copy")), 1500);
}
