// The messages of the open chat. Only the last ones are in the document; older ones come while the reader scrolls up.
import { Answer, Question } from "./message.js";

const FIRST = 20; // messages drawn when a chat opens
const MORE = 20;
const NEAR_END = 60; // pixels: within these the view follows the end
const AHEAD = "1400px 0px 0px 0px"; // older messages are drawn when the reader is this near to them

/** @typedef {import("./message.js").Message} Message */

export class Transcript {
  /**
   * @param {HTMLElement} scroll @param {HTMLElement} column inside it
   * @param {(atEnd: boolean) => void} onscroll
   */
  constructor(scroll, column, onscroll) {
    this.scroll = scroll;
    this.column = column;
    /** Questions and answers, from the chat's first to its last. @type {Message[]} */
    this.messages = [];
    /** @type {Map<string, Message>} results of tools by their call */
    this.results = new Map();
    /** @type {Map<number, Question | Answer>} what is drawn, by message */
    this.views = new Map();
    this.first = 0; // index of the first drawn message
    this.atEnd = true;
    this.sentinel = column.appendChild(Object.assign(document.createElement("div"), { className: "sentinel" }));
    new IntersectionObserver(([entry]) => entry.isIntersecting && this.#older(), { root: scroll, rootMargin: AHEAD }).observe(this.sentinel);
    const size = new ResizeObserver(() => this.atEnd && this.#toEnd());
    size.observe(column);
    size.observe(scroll);
    scroll.addEventListener("scroll", () => {
      this.atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < NEAR_END;
      onscroll(this.atEnd);
    }, { passive: true });
  }

  #toEnd() {
    this.scroll.scrollTop = this.scroll.scrollHeight;
  }

  /** Show the end, and follow it. @param {boolean} [smooth] */
  end(smooth = false) {
    this.atEnd = true;
    if (smooth && !matchMedia("(prefers-reduced-motion: reduce)").matches) this.scroll.scrollTo({ top: this.scroll.scrollHeight, behavior: "smooth" });
    else this.#toEnd();
  }

  /** Show these messages; what they have in common with the shown ones stays. @param {Message[]} rows @param {boolean} [anew] */
  show(rows, anew = false) {
    this.results = new Map(rows.filter((row) => row.role === "tool").map((row) => [row.tool_call_id, row]));
    const next = rows.filter((row) => row.role === "user" || row.role === "assistant");
    let same = 0;
    while (!anew && same < next.length && this.messages[same]?.id === next[same].id) same += 1;
    for (const gone of this.messages.slice(same)) this.#drop(gone.id);
    this.messages = next;
    if (same <= this.first) {
      for (const id of [...this.views.keys()]) this.#drop(id);
      this.first = Math.max(0, next.length - FIRST);
      same = this.first;
    }
    for (const row of next.slice(this.first, same)) this.#refresh(row);
    for (const row of next.slice(same)) this.column.append(this.#draw(row).element);
    this.#wake();
  }

  #drop(id) {
    this.views.get(id)?.element.remove();
    this.views.delete(id);
  }

  /** A drawn message whose row may have changed. */
  #refresh(row) {
    const view = this.views.get(row.id);
    if (view instanceof Answer && view.markdown.source === row.content.replace(/\r\n?/g, "\n") && view.cards.length === row.tool_calls.length) {
      view.show(row, this.firstOfTurn(row));
    } else if (view instanceof Question && view.message.content === row.content) {
      view.show(row);
    } else if (view) {
      this.views.delete(row.id);
      view.element.replaceWith(this.#draw(row).element);
    }
  }

  /** @param {Message} row */
  #draw(row) {
    const view = row.role === "user" ? new Question(row) : new Answer(row, this.results);
    if (view instanceof Answer) view.show(row, this.firstOfTurn(row));
    this.views.set(row.id, view);
    return view;
  }

  /** The answer's first message: its variants are those of the whole answer. @param {Message} row */
  firstOfTurn(row) {
    let at = this.messages.findIndex((message) => message.id === row.id);
    while (at > 0 && this.messages[at - 1].role === "assistant") at -= 1;
    return this.messages[at] ?? row;
  }

  #older() {
    if (this.first === 0) return;
    const start = Math.max(0, this.first - MORE);
    const anchor = /** @type {HTMLElement} */ (this.sentinel.nextElementSibling);
    const before = anchor.getBoundingClientRect().top;
    const drawn = this.messages.slice(start, this.first).map((row) => this.#draw(row).element);
    this.first = start;
    anchor.before(...drawn);
    this.scroll.scrollTop += anchor.getBoundingClientRect().top - before; // what the reader looks at stays where it is
    this.#wake();
  }

  /** An observer only tells of changes: a sentinel that stays near must be looked at again. */
  #wake() {
    this.sentinel.hidden = this.first === 0;
    if (this.first === 0) return;
    requestAnimationFrame(() => {
      const far = this.scroll.getBoundingClientRect().top - this.sentinel.getBoundingClientRect().bottom;
      if (far < Number.parseInt(AHEAD, 10)) this.#older();
    });
  }

  /** @param {Message} row */
  append(row) {
    this.messages.push(row);
    const view = this.#draw(row);
    this.column.append(view.element);
    return view;
  }

  /** Take a message and all after it away. @param {number} id */
  cut(id) {
    const at = this.messages.findIndex((message) => message.id === id);
    if (at < 0) return;
    for (const gone of this.messages.splice(at)) this.#drop(gone.id);
  }

  /** The row on the server now has this id. @param {number} old @param {number} id */
  rename(old, id) {
    const view = this.views.get(old);
    const row = this.messages.find((message) => message.id === old);
    if (!view || !row) return;
    row.id = id;
    this.views.delete(old);
    this.views.set(id, view);
    view.show(row);
  }

  /** The view of an answer that begins; drawn at the end if it is new. @returns {Answer} */
  begin(id, content, reasoning, model) {
    const known = this.views.get(id);
    const row = { id, parent_id: null, role: "assistant", content, reasoning_content: reasoning, tool_calls: [], tool_call_id: "", state: "streaming", model, stats: null, error: "", siblings: [id] };
    const view = /** @type {Answer} */ (known ?? this.append(row));
    view.restart(content, reasoning);
    return view;
  }
}
