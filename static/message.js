// One message in the transcript. What the user does to it is told by the event `act`.
import { button, copy, h, icon } from "./dom.js";
import { confirmCopy } from "./code.js";
import { count, figures } from "./format.js";
import { Markdown } from "./markdown.js";
import { emit, state } from "./state.js";
import { Thinking, ToolCard } from "./tools.js";

const LONG = 3000; // characters of a user's message that are shown at once
const LONG_LINES = 24;

/**
 * @typedef {{id: number, parent_id: number | null, role: string, content: string, reasoning_content: string, tool_calls: any[],
 *   tool_call_id: string, state: string, model: string, stats: any, error: string, siblings: number[]}} Message
 */

const act = (/** @type {string} */ what, /** @type {number} */ id, /** @type {unknown} */ more) => emit("act", { what, id, more });

/** @param {{name: string, icon: string, testid?: string}} options @param {(event: Event) => void} onclick */
const small = ({ name, icon: picture, testid }, onclick) => button({ name, icon: picture, class: "small", "data-testid": testid, onclick });

/** ‹ 2/3 › @param {number} id @param {number[]} siblings */
function variants(id, siblings) {
  if (!siblings || siblings.length < 2) return null;
  const at = siblings.indexOf(id);
  const step = (by, name, picture) => {
    const to = siblings[at + by];
    return button({ name, icon: picture, class: "small", disabled: to === undefined, onclick: () => act("switch", id, to) });
  };
  return h("span", { class: "variants", role: "group", "aria-label": `Version ${at + 1} of ${siblings.length}` },
    step(-1, "Previous version", "left"), h("span", { "data-testid": "variant" }, `${at + 1}/${siblings.length}`), step(1, "Next version", "right"));
}

/** What the user said. */
export class Question {
  /** @param {Message} message */
  constructor(message) {
    this.text = h("div", { class: "bubble", dir: "auto" });
    this.foot = h("div", { class: "foot" });
    this.element = h("article", { class: "message user", "data-testid": "message", "data-role": "user", "aria-label": "You" }, this.text, this.foot);
    this.show(message);
  }

  /** @param {Message} message */
  show(message) {
    this.message = message;
    this.element.dataset.state = message.state;
    this.element.dataset.id = String(message.id);
    this.#text(message.content);
    const copier = small({ name: "Copy message", icon: "copy" }, async () => (await copy(message.content), confirmCopy(copier)));
    const edit = small({ name: "Edit message", icon: "pencil" }, () => act("edit", message.id));
    this.foot.replaceChildren(...[copier, edit, variants(message.id, message.siblings)].filter(Boolean));
  }

  #text(content) {
    const lines = content.split("\n", LONG_LINES + 1);
    const long = content.length > LONG || lines.length > LONG_LINES;
    this.text.textContent = long ? lines.slice(0, LONG_LINES).join("\n").slice(0, LONG) + "…" : content;
    if (!long) return;
    const all = button({ name: "Show all", text: `Show all ${count(content.length)} characters`, class: "unfold" });
    all.addEventListener("click", () => (this.text.textContent = content));
    this.text.append(all);
  }
}

/** What the model said, or is saying. */
export class Answer {
  /** @param {Message} message @param {Map<string, Message>} results of tool calls, by call */
  constructor(message, results) {
    this.thinking = new Thinking(message.id);
    this.hurry = button({ name: "Answer now", text: "Answer now", class: "quiet hurry", "data-testid": "answer-now", onclick: () => ((this.hurry.disabled = true), emit("answer-now")) });
    this.notices = h("div", { class: "notices" });
    this.tools = h("div", { class: "tools" });
    this.text = h("div", { class: "prose", dir: "auto" });
    this.markdown = new Markdown(this.text);
    this.progress = h("div", { class: "progress", role: "status" });
    this.problem = h("div", { class: "problem-place" });
    this.foot = h("div", { class: "foot" });
    this.element = h("article", { class: "message assistant", "data-testid": "message", "data-role": "assistant", "aria-label": "Answer" },
      this.thinking.element, this.hurry, this.text, this.tools, this.progress, this.notices, this.problem, this.foot);
    /** @type {ToolCard[]} */
    this.cards = [];
    this.message = message;
    this.#say(message.content, message.reasoning_content);
    for (const call of message.tool_calls ?? []) this.#card(call, results.get(call.id));
    this.markdown.flush(message.state !== "streaming");
    this.show(message);
  }

  #say(content, reasoning) {
    this.thinking.markdown.clear();
    this.thinking.push(reasoning ?? "");
    this.thinking.element.hidden = !reasoning;
    this.thinking.flush();
    this.markdown.clear();
    this.markdown.push(content);
  }

  /** @param {any} call @param {Message} [result] */
  #card(call, result) {
    const card = new ToolCard(call);
    if (result) card.finish(result.content, result.state === "error", result.extra?.seconds ?? 0);
    this.cards.push(card);
    this.tools.append(card.element);
    return card;
  }

  /** State, figures and what can be done; the text stays as it is. @param {Message} message @param {{id: number, siblings: number[]}} [first] of its turn */
  show(message, first = message) {
    this.message = message;
    this.element.dataset.state = message.state;
    this.element.dataset.id = String(message.id);
    if (message.state === "streaming") {
      this.foot.replaceChildren();
      this.problem.replaceChildren();
      return;
    }
    this.settle();
    this.#problem(message);
    const copier = small({ name: "Copy answer", icon: "copy" }, async () => (await copy(message.content), confirmCopy(copier)));
    const again = small({ name: "Answer again", icon: "retry", testid: "regenerate" }, () => act("regenerate", message.id));
    const stats = h("span", { class: "stats", "data-testid": "stats" }, ...figures(message.stats, message.model).map((text) => h("span", {}, text)));
    this.foot.replaceChildren(...[message.content && copier, again, variants(first.id, first.siblings), stats].filter(Boolean));
  }

  #problem({ id, state: how, error, stats, content, reasoning_content: thought }) {
    const cut = how === "done" && stats?.finish_reason === "length";
    const words = {
      stopped: "You stopped this answer.",
      interrupted: "This answer was interrupted when M3 Studio ended.",
      error: error || "This answer failed.",
      done: cut ? "The answer reached its greatest length." : "",
    }[how];
    if (!words) return this.problem.replaceChildren();
    const more = (content || thought) && button({ name: "Continue", text: "Continue", icon: "play", class: "quiet", "data-testid": "continue", onclick: () => act("continue", id) });
    const retry = (how === "error" || !content) && button({ name: "Try again", text: "Try again", icon: "retry", class: "quiet", onclick: () => act("regenerate", id) });
    const picture = icon(how === "error" ? "warning" : "paused");
    this.problem.replaceChildren(h("div", { class: `problem ${how}`, role: how === "error" ? "alert" : "note" }, picture, h("span", {}, words), more, retry));
  }

  /** The message begins, perhaps anew. */
  restart(content, reasoning) {
    this.cards = [];
    this.tools.replaceChildren();
    this.notices.replaceChildren();
    this.hurry.disabled = false;
    this.thinking.end(false);
    this.#say(content, reasoning);
    this.show({ ...this.message, content, reasoning_content: reasoning, state: "streaming" });
    this.wait("");
  }

  /** A line for the time before the first word. @param {string} words @param {number} [share] of the work, 0 to 1 */
  wait(words, share) {
    const bar = share !== undefined && h("span", { class: "bar", style: `--share: ${Math.round(share * 100)}%` });
    this.progress.replaceChildren(...[h("span", { class: "dots", "aria-hidden": "true" }, h("i"), h("i"), h("i")), words && h("span", {}, words), bar].filter(Boolean));
    this.progress.hidden = false;
  }

  /** @param {string} text */
  think(text) {
    this.progress.hidden = true;
    this.thinking.element.hidden = false;
    this.thinking.run();
    this.thinking.push(text);
  }

  /** @param {string} text */
  say(text) {
    this.progress.hidden = true;
    this.thinking.end();
    this.markdown.push(text);
  }

  /** @param {{index: number, id: string, name: string, arguments: string}} delta */
  call(delta) {
    this.progress.hidden = true;
    this.thinking.end();
    (this.cards[delta.index] ?? this.#card({ id: delta.id, name: delta.name, arguments: "" })).push(delta);
  }

  /** The card of a call. @param {string} id @param {any} [call] to draw one where there is none */
  card(id, call) {
    return this.cards.find((card) => card.call.id === id) ?? (call && this.#card(call));
  }

  /** @param {string} text */
  notice(text) {
    this.notices.append(h("p", { class: "notice" }, text));
  }

  flush() {
    this.thinking.flush();
    this.markdown.flush();
  }

  /** No more comes. */
  settle() {
    this.progress.hidden = true;
    this.thinking.end();
    this.markdown.flush(true);
  }

  /** What the model loading says, while the answer waits for it. */
  waitForModel() {
    if (this.progress.hidden || state.engine.state !== "loading") return;
    const { name, progress } = state.engine;
    this.wait(`Loading ${name} · ${Math.round(progress * 100)} %`, progress);
  }
}
