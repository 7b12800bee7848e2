// Markdown for a message that is still growing: only the blocks whose source changed are rendered again.
import { marked } from "./vendor/marked.esm.js";
import DOMPurify from "./vendor/purify.es.mjs";
import { dressCode } from "./code.js";
import { dressMathematics, mathematics } from "./mathematics.js";

const KEEP_OPEN = 2; // trailing blocks that later text may still change (a list, a table, a paragraph)
const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
const escape = (/** @type {string} */ text) => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]);

// Tags that models write for their looks. Every other one stands in the page as the text it is.
const HARMLESS = /^(?:\s*<\/?(?:b|br|del|details|em|i|ins|kbd|mark|p|s|small|strong|sub|summary|sup|u|wbr)\s*\/?>)+\s*$/i;

marked.use({
  gfm: true,
  breaks: true,
  extensions: mathematics,
  renderer: {
    html: ({ text }) => (HARMLESS.test(text) ? text : escape(text)),
    code: ({ text, lang }) => `<pre data-language="${escape((lang ?? "").split(/\s/)[0])}"><code>${escape(text)}</code></pre>`,
    checkbox: ({ checked }) => `<span class="task${checked ? " done" : ""}">${checked ? "☑" : "☐"}</span> `,
    image: ({ href, text }) => picture(href, text),
  },
});

/** A picture of our own is shown; a foreign one would tell its host what is read here, so it is only a link. */
function picture(href, text) {
  const url = address(href);
  if (!url) return escape(text || href);
  const own = url.origin === location.origin || /^data:image\/(png|jpeg|gif|webp);/.test(href);
  if (own) return `<img src="${escape(href)}" alt="${escape(text)}" loading="lazy">`;
  return `<a class="remote" href="${escape(url.href)}">${text ? `${escape(text)}: ` : ""}${escape(url.href)}</a>`;
}

/** @param {string} href @returns {URL | null} */
function address(href) {
  try {
    const url = new URL(href, document.baseURI);
    return ["http:", "https:", "mailto:", "data:"].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

const POLICY = {
  RETURN_DOM_FRAGMENT: true,
  USE_PROFILES: { html: true },
  FORBID_TAGS: ["style", "form", "input", "button", "select", "textarea", "iframe", "object", "audio", "video", "picture", "source", "dialog"],
  FORBID_ATTR: ["style", "id", "name", "srcset", "background", "action", "popover", "autofocus"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
};

/** @param {import("./vendor/marked.esm.js").Token[]} tokens @returns {DocumentFragment} safe to put into the page */
function render(tokens) {
  const fragment = DOMPurify.sanitize(marked.parser(tokens), POLICY);
  for (const link of fragment.querySelectorAll("a[href]")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer";
  }
  for (const table of fragment.querySelectorAll("table")) {
    const frame = document.createElement("div");
    frame.className = "table";
    frame.tabIndex = 0;
    frame.role = "region";
    frame.ariaLabel = "Table";
    table.replaceWith(frame);
    frame.append(table);
  }
  dressMathematics(fragment);
  return fragment;
}

/** The text of one message, drawn into `element`. */
export class Markdown {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.clear();
  }

  clear() {
    this.source = "";
    this.offset = 0; // where the first block that is still open starts in the source
    this.settled = 0; // how many blocks stand before it
    /** @type {string[]} */
    this.raws = []; // source of each rendered block
    this.element.replaceChildren();
  }

  /** @param {string} text */
  push(text) {
    this.source += text.replace(/\r\n?/g, "\n");
  }

  /** Draw what is new. @param {boolean} [over] no more text comes */
  flush(over = false) {
    const blocks = marked.lexer(this.source.slice(this.offset)).filter(({ type }) => type !== "space" && type !== "def");
    blocks.forEach((block, i) => this.#draw(this.settled + i, block, over || i < blocks.length - 1));
    while (this.element.children.length > this.settled + blocks.length) this.element.lastChild.remove();
    this.raws.length = this.element.children.length;
    this.#settle(blocks);
  }

  /** @param {number} index @param {any} block @param {boolean} whole whether its text is complete */
  #draw(index, block, whole) {
    const mark = (whole ? "=" : "+") + block.raw;
    if (this.raws[index] === mark) return;
    const known = this.element.children[index];
    const target = known ?? this.element.appendChild(document.createElement("div"));
    const same = this.raws[index]?.slice(1) === block.raw;
    this.raws[index] = mark;
    if (block.type === "code") return dressCode(target, block.text, (block.lang ?? "").split(/\s/)[0], whole);
    if (same) return;
    target.className = "";
    target.replaceChildren(render([block]));
    for (const pre of target.querySelectorAll("pre")) {
      const box = document.createElement("div");
      dressCode(box, pre.textContent, pre.dataset.language ?? "", whole);
      pre.replaceWith(box);
    }
  }

  #settle(blocks) {
    const closed = blocks.slice(0, -KEEP_OPEN);
    let position = this.offset;
    for (const { raw } of closed) {
      const found = this.source.indexOf(raw, position);
      if (found < 0) return; // the lexer changed the text (tabs, say): keep lexing from the old place
      position = found + raw.length;
    }
    this.offset = position;
    this.settled += closed.length;
  }
}
