// The settings of answers in the side panel: for this model or this chat, each value with its source and a way back.
import { button, h, icon, shadow } from "./dom.js";
import { modelName } from "./engine.js";
import { GROUPS, modeName, originOf } from "./fields.js";
import { count } from "./format.js";
import { presets, prompts } from "./saved.js";
import { openPlan } from "./plan.js";
import { on, state } from "./state.js";
import { editTemplate } from "./template.js";
import { complain } from "./toast.js";
import { keep, used } from "./used.js";

const SETTLE_MS = 350; // after the last key: then a value is kept
const IN_FORM = new Set(["system_prompt", "max_tokens"]); // set for every model in the form below
const SCOPES = { model: "This model", chat: "This chat" };

/** @type {"model" | "chat"} */
let scope = "model";

/** @param {HTMLElement} element */
export async function mount(element) {
  const root = await shadow(element.querySelector(".m3-host"), ["dialogs", "knobs"]);
  const segments = Object.entries(SCOPES).map(([name, text]) => button({ name: text, text, "data-scope": name, onclick: () => choose(name) }));
  const whose = h("p", { class: "whose" });
  const knobs = GROUPS.flatMap(([, fields]) => fields).map((field) => new Knob(field));
  const of = new Map(knobs.map((knob) => [knob.field.name, knob]));
  const groups = GROUPS.map(([title, fields, folded]) => {
    const parts = fields.map((field) => of.get(field.name).element);
    return folded ? h("details", { class: "group" }, h("summary", {}, title, icon("chevron")), ...parts) : h("section", { class: "group" }, h("h3", {}, title), ...parts);
  });
  const line = (text, picture, onclick, props = {}) => h("button", { type: "button", class: "line", onclick, ...props }, icon(picture), h("span", {}, text));
  const library = line("Saved prompts", "text", () => prompts(scope).catch(complain), { "data-testid": "prompts" });
  of.get("system_prompt").element.append(library);
  const loaded = h("p", { class: "whose" });
  const loading = line("Context, GPU and memory", "model", () => openPlan(state.models.find((model) => model.ref === state.chosen)).catch(complain), { "data-testid": "load-settings" });
  root.append(h("div", { class: "knobs", "data-testid": "knobs" },
    h("div", { class: "segments two", role: "group", "aria-label": "Settings for" }, ...segments), whose,
    line("Presets", "sliders", () => presets(scope).catch(complain), { "data-testid": "presets" }),
    ...groups,
    h("section", { class: "group" }, h("h3", {}, "Model"), loaded, loading, line("Chat template", "wrap", () => editTemplate().catch(complain), { "data-testid": "template" }))));

  function choose(name) {
    scope = name;
    draw();
  }

  function draw() {
    for (const segment of segments) segment.setAttribute("aria-pressed", String(segment.dataset.scope === scope));
    const name = modelName();
    whose.textContent = scope === "chat" ? "Kept for the open chat, over what is set for the model." : name ? `Kept for ${name}, in every chat.` : "Choose a model first.";
    loading.hidden = !state.models.some((model) => model.ref === state.chosen && !model.problem);
    const { n_ctx: context, template } = state.engine;
    loaded.textContent = [context && `Loaded with room for ${count(context)} tokens. Context, GPU and memory need a reload; everything above counts from the next message on.`, template?.fallback && "It has no chat template: a common one is used.",
      template?.changed && "Its chat template was changed here."].filter(Boolean).join(" ") || "Not loaded yet.";
    for (const knob of knobs) knob.draw(used[scope][knob.field.name]);
  }
  for (const event of ["used", "models"]) on(event, draw);
  draw();
}

/** One field: it shows the value in use, keeps what is entered, and goes back to the recommended value. */
class Knob {
  /** @param {import("./fields.js").Field} field */
  constructor(field) {
    this.field = field;
    const id = `knob-${field.name}`;
    this.input = entry(field, id);
    this.slider = field.slide ? h("input", { type: "range", min: field.least, max: field.most, step: field.step, "aria-label": field.label, tabindex: -1 }) : null;
    this.reset = button({ name: `Reset ${field.label}`, text: "Reset", class: "reset", hidden: true, onclick: () => this.#back() });
    this.from = h("span", { class: "from" });
    this.input.setAttribute("aria-describedby", `${id}-help`);
    const wide = field.kind === "text" || field.kind === "lines";
    this.element = h("div", { class: `knob${wide ? " wide" : ""}`, "data-name": field.name },
      h("div", { class: "head" }, h("label", { for: id }, field.label), this.input), this.slider,
      h("p", { class: "help", id: `${id}-help` }, field.help), h("p", { class: "source" }, this.from, this.reset));
    this.timer = 0;
    this.input.addEventListener("input", () => this.#later());
    this.input.addEventListener("change", () => this.#now());
    this.slider?.addEventListener("input", () => ((this.input.value = this.slider.value), this.#fill(), this.#later()));
    this.slider?.addEventListener("change", () => this.#now());
  }

  /** @param {import("./used.js").Setting} [setting] */
  draw(setting) {
    this.setting = setting;
    this.element.hidden = !setting || !this.#applies();
    if (!setting) return;
    const { words, page, name, day } = originOf(setting);
    this.from.replaceChildren(...[words || (this.field.slide && "A neutral value"), page && h("a", { href: page, target: "_blank", rel: "noreferrer" }, name), day].filter(Boolean));
    this.element.dataset.origin = setting.origin;
    this.reset.hidden = setting.origin !== scope && !(setting.origin === "all" && !IN_FORM.has(this.field.name));
    if (this.timer || this.input.matches(":focus")) return; // somebody is at it
    const { value } = setting;
    this.input.value = this.field.kind === "lines" ? (value ?? []).join("\n") : (value ?? "");
    this.#fill();
  }

  /** Thinking can be set only where the model has modes, and depends on which it has. */
  #applies() {
    const thinking = state.engine.thinking;
    if (this.field.name === "thinking_budget") return !thinking || thinking.kind !== "none";
    if (this.field.kind !== "mode") return true;
    const modes = thinking?.modes ?? ["auto", "on", "off"];
    if (this.modes !== String(modes)) {
      this.modes = String(modes);
      this.input.replaceChildren(...modes.map((mode) => h("option", { value: mode }, modeName(mode))));
    }
    return !thinking || ["switch", "levels"].includes(thinking.kind);
  }

  #fill() {
    if (!this.slider) return;
    const { least, most } = this.field;
    this.slider.value = this.input.value;
    this.slider.style.setProperty("--share", `${(100 * (Number(this.slider.value) - least)) / (most - least)}%`);
  }

  #later() {
    this.#fill();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#now(), SETTLE_MS);
  }

  #now() {
    this.timer = clearTimeout(this.timer) ?? 0;
    const value = this.#value();
    if (value === undefined || JSON.stringify(value) === JSON.stringify(this.setting?.value ?? null)) return;
    this.#keep(value);
  }

  /** What was entered: null for nothing, undefined for what is no value. */
  #value() {
    const { kind, whole, empty } = this.field;
    const text = this.input.value;
    if (kind === "lines") return text.split("\n").filter(Boolean);
    if (kind === "text") return text.trim() === "" ? null : text;
    if (kind === "mode") return text;
    if (text.trim() === "") return this.input.validity.badInput || empty === undefined ? undefined : null;
    const number = Number(text);
    this.input.setAttribute("aria-invalid", String(!this.input.validity.valid));
    if (this.input.validity.rangeUnderflow || this.input.validity.rangeOverflow) return undefined;
    return whole ? Math.round(number) : number;
  }

  #back() {
    this.timer = clearTimeout(this.timer) ?? 0;
    return keep(this.setting.origin, { [this.field.name]: null }).catch(complain);
  }

  #keep(value) {
    return keep(scope, { [this.field.name]: Array.isArray(value) && !value.length ? null : value }).catch(complain);
  }
}

/** @param {import("./fields.js").Field} field @param {string} id */
function entry({ kind, limits, empty }, id) {
  if (kind === "mode") return h("select", { id });
  if (kind === "text") return h("textarea", { id, rows: 3, dir: "auto" });
  if (kind === "lines") return h("textarea", { id, rows: 1, dir: "auto", placeholder: "None" });
  return h("input", { id, type: "number", min: limits[0], max: limits[1], step: "any", inputmode: "decimal", placeholder: empty });
}
