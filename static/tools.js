// What an answer shows beside its text: the model's thinking, and the tools it called.
import { button, h, icon } from "./dom.js";
import { seconds } from "./format.js";
import { Markdown } from "./markdown.js";

/** How long the thinking of a message took, as seen by this page. @type {Map<number, number>} */
const thoughtSeconds = new Map();

/** The folded thinking of one message. Its text is drawn only while it is open. */
export class Thinking {
  /** @param {number} id of the message */
  constructor(id) {
    this.id = id;
    this.label = h("span", {}, "Thinking");
    this.body = h("div", { class: "body prose" });
    this.markdown = new Markdown(this.body);
    const summary = h("summary", {}, icon("thought"), this.label, icon("chevron"));
    this.element = h("details", { class: "thinking", "data-testid": "thinking" }, summary, this.body);
    this.element.addEventListener("toggle", () => this.flush());
    this.over = true;
    this.name();
  }

  /** @param {string} text */
  push(text) {
    this.markdown.push(text);
  }

  /** More is coming: count the seconds. */
  run() {
    if (!this.over) return;
    this.over = false;
    this.since = performance.now();
    this.element.classList.add("running");
    this.timer = setInterval(() => this.name(), 1000);
    this.name();
  }

  /** @param {boolean} [count] whether the time is worth keeping: not when the events were only read again */
  end(count = true) {
    if (this.over) return;
    this.over = true;
    clearInterval(this.timer);
    const took = (performance.now() - this.since) / 1000;
    if (count && took > 0.3) thoughtSeconds.set(this.id, took);
    this.element.classList.remove("running");
    this.name();
    this.flush();
  }

  name() {
    const known = thoughtSeconds.get(this.id);
    if (this.over) this.label.textContent = known ? `Thought for ${seconds(known)}` : "Thoughts";
    else this.label.textContent = `Thinking… ${Math.round((performance.now() - this.since) / 1000)} s`;
  }

  flush() {
    if (this.element.open) this.markdown.flush(this.over);
  }
}

/** One tool call: what was asked, what came out. */
export class ToolCard {
  /** @param {{id: string, name: string, arguments: string, repaired?: string}} call */
  constructor(call) {
    this.call = { ...call };
    this.label = h("span", {});
    this.hint = h("span", { class: "hint" });
    this.input = h("pre", { tabindex: 0 });
    this.output = h("pre", { tabindex: 0 });
    this.outputBox = h("div", { hidden: true }, h("div", { class: "caption" }, "Result"), this.output);
    this.note = h("p", { class: "note", hidden: true });
    this.question = h("div", { class: "question", role: "group", hidden: true });
    const body = h("div", { class: "body" }, h("div", { class: "caption" }, "Call"), this.input, this.question, this.outputBox, this.note);
    this.element = h("details", { class: "tool", "data-testid": "tool-call", "data-id": call.id },
      h("summary", {}, icon("tool"), this.label, this.hint, icon("chevron")), body);
    this.name("calling");
    this.draw();
  }

  /** @param {"calling" | "asking" | "running" | "done" | "failed"} state @param {number} [took] in seconds */
  name(state, took = 0) {
    this.element.dataset.state = state;
    const name = this.call.name || "a tool";
    const words = { calling: `Calling ${name}`, asking: `May ${name} run?`, running: `Running ${name}`, done: `Ran ${name}`, failed: `${name} failed` };
    this.label.textContent = took ? `${words[state]} · ${seconds(took)}` : words[state];
  }

  draw() {
    this.input.textContent = readable(this.call.arguments);
    this.hint.textContent = this.input.textContent.split("\n", 1)[0].slice(0, 80);
    this.note.hidden = !this.call.repaired;
    this.note.textContent = this.call.repaired ? `The call was mended before it ran: ${this.call.repaired}.` : "";
  }

  /** @param {{id?: string, name?: string, arguments?: string}} delta */
  push(delta) {
    this.call.id = delta.id || this.call.id;
    this.call.name = delta.name || this.call.name;
    this.call.arguments += delta.arguments ?? "";
    this.element.dataset.id = this.call.id;
    this.name("calling");
    this.draw();
  }

  /** Ask the user whether this call may run. @param {any} call the complete one @param {(answer: "once" | "always" | "deny") => void} answer */
  ask(call, answer) {
    this.call = { ...call };
    this.draw();
    this.name("asking");
    this.element.open = true;
    const choice = (how, text, classes) => button({ name: text, text, class: classes, "data-testid": `approve-${how}`, onclick: () => {
      for (const one of this.question.querySelectorAll("button")) one.disabled = true;
      answer(how);
    } });
    this.question.setAttribute("aria-label", `May ${call.name} run?`);
    this.question.replaceChildren(choice("once", "Allow once", "primary"), choice("always", "Always in this chat", "quiet"), choice("deny", "Do not allow", "quiet"));
    this.question.hidden = false;
  }

  answered() {
    this.question.hidden = true;
    this.question.replaceChildren();
    this.name("calling");
  }

  /** @param {any} call the complete one */
  start(call) {
    this.call = { ...call };
    this.output.textContent = "";
    this.name("running");
    this.draw();
  }

  /** @param {string} text */
  print(text) {
    this.outputBox.hidden = false;
    this.output.append(text);
  }

  /** @param {string} result @param {boolean} error @param {number} took in seconds */
  finish(result, error, took) {
    this.outputBox.hidden = false;
    this.output.textContent = result || "(nothing)";
    this.answered();
    this.name(error ? "failed" : "done", took);
  }
}

/** The code or the query of a call, if that is all there is; else its arguments, indented. @param {string} json */
function readable(json) {
  try {
    const values = JSON.parse(json || "{}");
    const texts = Object.values(values);
    if (texts.length === 1 && typeof texts[0] === "string") return texts[0];
    return JSON.stringify(values, null, 2);
  } catch {
    return json; // not complete yet, or no JSON at all
  }
}
