// Which tools the model may call in this chat: a chip beside the text, and the list behind it.
import { get } from "./api.js";
import { button, h } from "./dom.js";
import { place } from "./menu.js";
import { on, state } from "./state.js";

/** @typedef {{name: string, description: string, permission: "safe" | "ask" | "never", default: boolean}} Tool */

const TAUGHT = "This model was not trained on tools. Those you choose are explained to it in its prompt, and it may use them badly.";

export class Toolbox {
  /** @param {import("./turns.js").Conversation} conversation */
  constructor(conversation) {
    this.conversation = conversation;
    /** @type {Tool[]} */
    this.tools = [];
    this.element = button({ name: "Tools", icon: "tool", text: "Tools", class: "chip", "data-testid": "tools", "aria-haspopup": "true", onclick: () => this.#open() });
    this.element.hidden = true;
    for (const name of ["models", "chat", "settings"]) on(name, () => this.draw());
    this.#load();
  }

  async #load() {
    const { tools } = await get("api/tools").catch(() => ({ tools: [] })); // without them the chat works all the same
    this.tools = tools;
    this.draw();
  }

  /** Whether the model's own template takes tools. */
  get native() {
    return state.engine.template?.tools !== false;
  }

  get #wish() {
    return this.conversation.own.tools ?? {};
  }

  /** Names of the tools in use: the chosen ones, else all for a model that was trained on tools. */
  get enabled() {
    const usable = this.tools.filter((tool) => tool.default).map((tool) => tool.name);
    const chosen = this.#wish.enabled;
    if (chosen) return usable.filter((name) => chosen.includes(name));
    return this.native ? usable : [];
  }

  draw() {
    const count = this.enabled.length;
    this.element.hidden = this.tools.length === 0;
    this.element.lastElementChild.textContent = count ? `Tools · ${count}` : "Tools off";
    this.element.dataset.mode = count ? "on" : "off";
    this.element.title = count && !this.native ? TAUGHT : "";
  }

  /** @param {string} name @param {boolean} wanted */
  #enable(name, wanted) {
    this.#set({ enabled: having(this.enabled, name, wanted) });
  }

  /** Whether the user is asked before each call. @param {Tool} tool */
  #asks({ name, permission }) {
    const { always = [], ask = [] } = this.#wish;
    return !always.includes(name) && (permission === "ask" || ask.includes(name));
  }

  /** @param {Tool} tool @param {boolean} wanted */
  #ask({ name, permission }, wanted) {
    const { always = [], ask = [] } = this.#wish;
    this.#set({ always: having(always, name, !wanted && permission === "ask"), ask: having(ask, name, wanted && permission !== "ask") });
  }

  #set(changes) {
    this.conversation.set({ ...this.conversation.own, tools: { ...this.#wish, ...changes } });
  }

  #open() {
    const box = h("div", { class: "menu toolbox", role: "group", "aria-label": "Tools for this chat", popover: "auto", "data-testid": "toolbox" });
    if (!this.native) box.append(h("p", { class: "taught", "data-testid": "taught" }, TAUGHT));
    box.append(...this.tools.map((tool) => this.#entry(tool)));
    this.element.getRootNode().append(box);
    box.addEventListener("toggle", (event) => {
      if (event.newState !== "closed") return;
      box.remove();
      this.element.setAttribute("aria-expanded", "false");
    });
    box.showPopover();
    this.element.setAttribute("aria-expanded", "true");
    place(box, this.element);
    box.querySelector("input:not(:disabled)")?.focus();
  }

  /** @param {Tool} tool */
  #entry(tool) {
    const use = checkbox(tool.name, this.enabled.includes(tool.name), (checked) => this.#enable(tool.name, checked));
    const ask = checkbox(`ask-${tool.name}`, this.#asks(tool), (checked) => this.#ask(tool, checked));
    use.disabled = ask.disabled = !tool.default;
    const about = tool.default ? `${tool.description.split(". ")[0].replace(/\.$/, "")}.` : "It cannot run on this machine.";
    return h("div", { class: "entry" },
      h("label", {}, use, h("span", { class: "label" }, tool.name, h("small", {}, about))),
      h("label", { class: "ask" }, ask, h("span", {}, "Ask before each call")));
  }
}

/** @param {string[]} names @param {string} name @param {boolean} wanted */
function having(names, name, wanted) {
  const others = names.filter((one) => one !== name);
  return wanted ? [...others, name] : others;
}

/** @param {string} name @param {boolean} checked @param {(checked: boolean) => void} change */
function checkbox(name, checked, change) {
  const box = /** @type {HTMLInputElement} */ (h("input", { type: "checkbox", name }));
  box.checked = checked;
  box.addEventListener("change", () => change(box.checked));
  return box;
}
