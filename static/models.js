// The model bar: which model answers, and a list to choose another one from.
import { button, h, icon } from "./dom.js";
import { downloadStarter, load, modelName, unload } from "./engine.js";
import { about, count, parameters, size } from "./format.js";
import { place } from "./menu.js";
import { openPlan } from "./plan.js";
import { on, state } from "./state.js";
import { complain } from "./toast.js";

const TOO_BIG = 503; // the status of a load that is refused for want of memory

/** @returns {HTMLElement} */
export function modelBar() {
  const name = h("span", { class: "name" });
  const detail = h("span", { class: "detail" });
  const dot = h("i", { class: "dot" });
  const bar = h("button", { type: "button", class: "model-bar", "data-testid": "model-bar", "aria-haspopup": "dialog", "aria-expanded": "false" }, dot, name, detail, icon("chevron"));
  const box = h("div", { class: "models", popover: "auto", role: "dialog", "aria-label": "Choose a model", "data-testid": "models" });
  const filter = h("input", { type: "search", placeholder: "Filter models", "aria-label": "Filter models", autocomplete: "off" });
  const list = h("div", { class: "list", role: "group", "aria-label": "Models" });
  const close = () => box.matches(":popover-open") && box.hidePopover();
  box.append(filter, list, pathForm(close));

  bar.addEventListener("click", () => {
    if (box.matches(":popover-open")) return box.hidePopover();
    box.showPopover();
  });
  box.addEventListener("toggle", (event) => {
    const open = event.newState === "open";
    bar.setAttribute("aria-expanded", String(open));
    if (!open) return;
    filter.value = "";
    drawList();
    place(box, bar);
    if (!matchMedia("(hover: none)").matches) filter.focus();
  });
  box.addEventListener("keydown", (event) => {
    const entries = [...list.querySelectorAll("button.entry")];
    const at = entries.indexOf(box.getRootNode().activeElement);
    if (event.key === "Escape") event.stopPropagation();
    if (event.key === "Enter" && event.target === filter) entries[0]?.click();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    (entries[at + step] ?? filter).focus();
  });
  filter.addEventListener("input", drawList);
  on("models", draw);
  draw();
  return h("div", { class: "model-place" }, bar, box);

  function draw() {
    const { state: how, progress, seconds_left: left, n_ctx: context } = state.engine;
    bar.dataset.state = how;
    name.textContent = modelName() || (state.modelsKnown ? "No model" : "");
    detail.textContent = {
      loading: `Loading ${Math.round(progress * 100)} %${left ? ` · ${about(left)}` : ""}`,
      failed: "Could not be loaded",
      ready: context ? `${count(context)} tokens` : "",
      none: "",
    }[how];
    bar.style.setProperty("--share", how === "loading" ? String(progress) : "0");
    bar.setAttribute("aria-label", `Model: ${name.textContent || "none"}${detail.textContent ? `, ${detail.textContent}` : ""}`);
    if (box.matches(":popover-open")) drawList();
  }

  function drawList() {
    const words = filter.value.toLowerCase().split(/\s+/);
    const found = state.models.filter((model) => words.every((word) => `${model.name} ${model.quant} ${model.ref}`.toLowerCase().includes(word)));
    const focused = box.getRootNode().activeElement?.dataset?.ref;
    list.replaceChildren(...found.map((model) => entry(model, close)));
    if (!found.length) list.append(...nothing(filter.value, close));
    if (focused) list.querySelector(`[data-ref="${CSS.escape(focused)}"]`)?.focus();
    filter.hidden = state.models.length < 2;
  }
}

/** @param {import("./state.js").Model} model @param {() => void} close */
function entry(model, close) {
  const { engine } = state;
  const loading = engine.state === "loading" && engine.ref === model.ref;
  const room = { tight: "tight", too_big: "too big" }[model.fit];
  const facts = [model.quant, parameters(model.parameters), size(model.size), room].filter(Boolean).join(" · ");
  const choose = () => {
    if (!model.loaded && !loading) load(model.ref).catch((error) => (error.status === TOO_BIG ? openPlan(model) : complain(error)));
    close();
  };
  const main = h("button", { type: "button", class: "entry", "data-ref": model.ref, disabled: Boolean(model.problem), "aria-current": model.loaded ? "true" : undefined, title: model.path, onclick: choose },
    icon("model"), h("span", { class: "what" }, h("b", {}, model.name), h("small", {}, model.problem || facts)), model.loaded && icon("check"));
  const stop = (model.loaded || loading) && button({ name: loading ? `Stop loading ${model.name}` : `Unload ${model.name}`, icon: "eject", class: "small", onclick: unload });
  const plan = !model.problem && button({ name: `How ${model.name} is loaded`, icon: "sliders", class: "small", "data-testid": "plan-open", onclick: () => (close(), openPlan(model)) });
  return h("div", { class: `model${model.problem ? " broken" : ""}`, "data-testid": "model" }, main, plan, stop);
}

/** @param {string} words @param {() => void} close */
function nothing(words, close) {
  if (words) return [h("p", { class: "none" }, `No model matches “${words}”.`)];
  const begin = () => (close(), downloadStarter());
  return [h("p", { class: "none" }, "There is no model on this computer yet."),
    button({ name: "Download the starter model (98 MB)", text: "Download the starter model (98 MB)", icon: "download", class: "primary", onclick: begin })];
}

/** A field that opens a GGUF file of the server's disk. @param {() => void} [after] */
export function pathForm(after = () => {}) {
  const field = h("input", { type: "text", placeholder: "/path/to/model.gguf", "aria-label": "Path of a GGUF file", spellcheck: "false", autocomplete: "off", "data-testid": "model-path" });
  const problem = h("p", { class: "field-problem", role: "alert", hidden: true });
  const submit = async (event) => {
    event.preventDefault();
    const path = field.value.trim().replace(/^["']|["']$/g, "");
    if (!path) return;
    problem.hidden = true;
    try {
      await load(path);
      field.value = "";
      after();
    } catch (error) {
      problem.textContent = error.message;
      problem.hidden = false;
    }
  };
  const go = h("button", { type: "submit", class: "button quiet" }, icon("folder"), h("span", {}, "Open"));
  return h("form", { class: "path", onsubmit: submit }, h("label", {}, "Open a GGUF file of this computer by its path"), h("div", { class: "row" }, field, go), problem);
}
