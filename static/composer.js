// Where the user writes: grows with its text, keeps a draft per chat, takes big pastes aside.
import { button, h } from "./dom.js";
import { menu } from "./menu.js";
import { Pastes } from "./pastes.js";
import { emit, on, state } from "./state.js";
import { modelName } from "./engine.js";
import { modeName } from "./fields.js";
import { toast } from "./toast.js";
import { Toolbox } from "./toolbox.js";
import { used } from "./used.js";

const DRAFT_MS = 250;
const MODES = { auto: "as the model comes", on: "think before each answer", off: "answer at once" };

export class Composer {
  /** @param {import("./turns.js").Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    this.field = h("textarea", { rows: 1, "aria-label": "Message", "data-testid": "composer", dir: "auto", enterkeyhint: "send" });
    this.pastes = new Pastes(this.field, () => this.#changed());
    this.think = button({ name: "Thinking", icon: "thought", text: "Thinking", class: "chip", "data-testid": "thinking-mode", "aria-haspopup": "menu", onclick: () => this.#chooseThinking() });
    this.sendButton = button({ name: "Send", icon: "up", class: "send", "data-testid": "send", onclick: () => this.submit() });
    this.stopButton = button({ name: "Stop", icon: "stop", class: "send stop", "data-testid": "stop", hidden: true, onclick: () => conversation.stop() });
    this.reason = h("p", { class: "reason", id: "reason", role: "status" });
    this.field.setAttribute("aria-describedby", "reason");
    this.toolbox = new Toolbox(conversation);
    const row = h("div", { class: "row" }, this.think, this.toolbox.element, h("span", { class: "space" }), this.sendButton, this.stopButton);
    this.box = h("div", { class: "box" }, this.pastes.element, this.field, row);
    this.element = h("div", { class: "composer" }, this.box, this.reason);
    this.box.addEventListener("click", (event) => event.target === this.box && this.focus());
    this.field.addEventListener("input", () => this.#changed());
    this.field.addEventListener("keydown", (event) => this.#key(event));
    this.key = this.#draftKey();
    this.timer = 0;
    for (const name of ["live", "models", "chat", "settings", "used"]) on(name, () => this.draw());
    on("open", () => this.#switchDraft());
    addEventListener("pagehide", () => this.#keep());
    this.#restore();
    this.draw();
  }

  focus() {
    if (!matchMedia("(hover: none)").matches) this.field.focus();
  }

  /** Put a text in place of what is there. @param {string} text */
  write(text) {
    this.field.value = text;
    this.#changed();
    this.field.focus();
  }

  get text() {
    return [this.field.value.trim(), ...this.pastes.texts].filter(Boolean).join("\n\n");
  }

  async submit() {
    const text = this.text;
    if (!text || state.live || this.why()) return;
    const [typed, pasted] = [this.field.value, this.pastes.texts];
    this.#set("", []);
    sessionStorage.removeItem(this.key); // also the one of the chat that is new till now
    this.timer = clearTimeout(this.timer);
    const taken = await this.conversation.send(text);
    this.key = this.#draftKey();
    if (!taken && !this.text) this.#set(typed, pasted);
    this.#keep();
  }

  /** Why nothing can be sent; empty if something can. */
  why() {
    if (!state.modelsKnown || state.models.some((model) => !model.problem) || state.engine.state === "loading" || state.engine.state === "ready") return "";
    if (state.downloads.some((item) => item.state === "running")) return "A model is on its way.";
    return "There is no model yet. Download the starter model, or open a GGUF file.";
  }

  draw() {
    const why = this.why();
    const name = modelName();
    this.field.placeholder = name ? `Message ${name}` : "Message";
    this.reason.textContent = why;
    this.sendButton.hidden = state.live;
    this.stopButton.hidden = !state.live;
    this.sendButton.disabled = !this.text || Boolean(why);
    this.sendButton.title = why || "Send";
    this.#drawThinking();
  }

  /** One control for what the model's template understands: its modes, or that it always thinks. */
  #drawThinking() {
    const thinking = state.engine.thinking;
    const fixed = thinking?.kind === "always";
    const mode = this.#thinking();
    this.think.hidden = !thinking?.kind || thinking.kind === "none";
    this.think.disabled = fixed;
    this.think.title = fixed ? "This model always thinks. A thinking budget in Settings limits it." : "";
    this.think.lastElementChild.textContent = fixed ? "Always thinks" : mode === "auto" ? "Thinking" : mode === "on" || mode === "off" ? `Thinking ${mode}` : `Thinking: ${mode}`;
    this.think.setAttribute("aria-pressed", String(fixed || !["auto", "off"].includes(mode)));
    this.think.dataset.mode = fixed || !["auto", "off"].includes(mode) ? "on" : mode;
  }

  /** The mode in use: the chat's own, else the one that is set for the model. */
  #thinking() {
    const wish = this.conversation.own.thinking ?? used.chat.thinking?.value ?? "auto";
    return state.engine.thinking?.modes?.includes(wish) ? wish : "auto";
  }

  #chooseThinking() {
    const now = this.#thinking();
    const { modes, usual } = state.engine.thinking;
    const hint = (mode) => (mode === "auto" && usual !== "auto" ? `${MODES.auto}: ${usual}` : MODES[mode]);
    menu(this.think, modes.map((mode) => ({ text: modeName(mode), hint: hint(mode), checked: now === mode, run: () => emit("wish", { thinking: mode }) })));
  }

  #key(event) {
    if (event.isComposing || event.keyCode === 229) return; // an input method is at work
    if (event.key === "Enter" && !event.shiftKey && !event.altKey) {
      event.preventDefault();
      if (state.live) toast("The answer is still being written. Stop it, or wait for its end.");
      else this.submit();
    }
    if (event.key === "ArrowUp" && !this.text && !event.shiftKey) {
      event.preventDefault();
      emit("edit-last");
    }
  }

  #changed() {
    if (!CSS.supports("field-sizing", "content")) {
      this.field.style.height = "auto";
      this.field.style.height = `${this.field.scrollHeight}px`;
    }
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#keep(), DRAFT_MS);
  }

  // ------------------------------------------------------------------------------------------------- drafts

  #draftKey() {
    return `m3-draft:${state.chatId ?? "new"}`;
  }

  #keep() {
    try {
      if (this.text) sessionStorage.setItem(this.key, JSON.stringify([this.field.value, this.pastes.texts]));
      else sessionStorage.removeItem(this.key);
    } catch {
      // the browser's store is full: the draft lives as long as the page
    }
  }

  #restore() {
    const [typed, pasted] = JSON.parse(sessionStorage.getItem(this.key) ?? '["", []]');
    this.#set(typed, pasted);
  }

  #set(typed, pasted) {
    this.pastes.set(pasted);
    this.field.value = typed;
    this.#changed();
  }

  #switchDraft() {
    this.#keep();
    this.key = this.#draftKey();
    this.#restore();
    this.focus();
  }
}
