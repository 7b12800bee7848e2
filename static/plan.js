// How a model is loaded: context, cache and layers, with what they take and how fast it will be, while they are moved.
import { get } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, h, topLayer } from "./dom.js";
import { load } from "./engine.js";
import { count, size } from "./format.js";
import { state } from "./state.js";

const PAUSE_MS = 90; // between the last move of a slider and the question
const VERDICTS = { fits: "Fits", tight: "Tight", too_big: "Too big" };
const PARTS = [["weights", "Weights", "weights_bytes"], ["cache", "Context", "kv_bytes"], ["buffers", "Buffers", "compute_bytes"]];
const CACHES = [["Automatic", undefined], ["Full (f16)", "f16"], ["Half (q8_0)", "q8_0"]];
let sheet;

/** @param {import("./state.js").Model} model */
export async function openPlan(model) {
  await style();
  let wishes = {};
  let plan = null;
  let asked = 0;
  let timer = 0;
  const figures = h("div", { class: "figures", "aria-live": "polite" });
  const more = h("div", { class: "figures" });
  const controls = h("div", { class: "stack" });
  const hint = h("small", {});
  const go = button({ name: "Load", text: "Load", class: "primary", "data-testid": "plan-load", disabled: true, onclick: () => begin(wishes) });
  const body = h("div", { class: "plan", "data-testid": "plan", "aria-busy": "true" }, figures, controls, more, h("footer", {}, hint, go));
  const box = await dialog(`Load ${model.name}`, [body]);
  await look(`api/models/plan?ref=${encodeURIComponent(model.ref)}`);
  if (plan) controls.replaceChildren(...sliders());

  /** Ask for the plan; an answer that was overtaken by another question is dropped. */
  async function look(path) {
    const mine = ++asked;
    body.setAttribute("aria-busy", "true");
    try {
      const found = await get(path);
      if (mine !== asked) return;
      plan = found;
      wishes = { ...found.wishes };
      draw();
    } catch (error) {
      if (mine === asked) figures.replaceChildren(h("p", { class: "failed", role: "alert" }, error.message));
    }
    if (mine === asked) body.setAttribute("aria-busy", "false");
  }

  function change(name, value) {
    const names = name === "type_k" ? ["type_k", "type_v"] : [name];
    for (const each of names) value === undefined ? delete wishes[each] : (wishes[each] = value);
    clearTimeout(timer);
    timer = setTimeout(() => look(question(model.ref, wishes)), PAUSE_MS);
  }

  function draw() {
    const { verdict, tokens_per_second: speed, last_load: last, alternatives } = plan;
    const failure = state.engine.state === "failed" && state.engine.ref === model.ref ? state.engine : null;
    const big = verdict === "too_big";
    const offers = failure?.alternatives?.length ? failure.alternatives : alternatives;
    figures.replaceChildren(...[
      failure && h("p", { class: "failed", role: "alert" }, failure.error),
      h("div", { class: "verdict" }, h("b", { "data-verdict": verdict, "data-testid": "plan-verdict" }, VERDICTS[verdict]),
        h("span", {}, `${size(plan.total_bytes)} in all`), !big && h("span", {}, `${range(speed)} tokens per second expected`)),
      ...plan.devices.map(device),
      h("div", { class: "legend" }, ...[...PARTS, ["others", "Other programs"]].map(([kind, text]) => h("span", {}, h("i", { class: kind }), text))),
    ].filter(Boolean));
    more.replaceChildren(...[
      offers.length > 0 && h("div", { class: "offers" }, ...offers.map(({ label, settings }) => button({ name: label, text: label, class: "quiet", onclick: () => begin(settings) }))),
      h("ul", { class: "why" }, ...[...plan.reasons, ...plan.suggestions].map((text) => h("li", {}, text))),
    ].filter(Boolean));
    hint.textContent = last ? `Last time it took ${size(last.total_bytes)} and ${last.load_seconds.toFixed(1)} s.` : "";
    go.disabled = false;
    go.querySelector("span").textContent = big ? "Load anyway" : "Load";
    go.classList.toggle("primary", !big);
    go.classList.toggle("quiet", big);
  }

  async function begin(settings) {
    go.disabled = true;
    try {
      await load(model.ref, settings, plan?.verdict === "too_big" && settings === wishes);
      box.close();
    } catch (error) {
      hint.textContent = error.message;
      go.disabled = false;
    }
  }

  function sliders() {
    const contexts = steps(plan.n_ctx_train || plan.n_ctx);
    const found = [slider("Context", contexts, "n_ctx", (value) => `${count(value)} tokens`), caches()];
    const layers = [...Array(plan.layers + 1).keys()];
    if (plan.devices.length > 1 || plan.n_gpu_layers) found.push(slider("Layers on the GPU", layers, "n_gpu_layers", (value) => `${value} of ${plan.layers}`));
    return found;
  }

  function slider(text, values, name, told) {
    const id = `plan-${name}`;
    const at = () => Math.max(0, values.findLastIndex((value) => value <= (wishes[name] ?? plan[name])));
    const field = h("input", { type: "range", id, min: 0, max: values.length - 1, step: 1, value: at(), "data-testid": id });
    const shown = h("output", { for: id });
    const auto = h("button", { type: "button", class: "link" }, "Automatic");
    const show = () => {
      shown.textContent = told(wishes[name] ?? plan[name]) + (wishes[name] === undefined ? " · automatic" : "");
      field.setAttribute("aria-valuetext", shown.textContent);
      auto.hidden = wishes[name] === undefined;
    };
    field.addEventListener("input", () => (change(name, values[Number(field.value)]), show()));
    auto.addEventListener("click", async () => {
      delete wishes[name];
      await look(question(model.ref, wishes));
      field.value = String(at());
      show();
    });
    show();
    return h("div", { class: "control" }, h("label", { for: id }, text), h("span", { class: "row" }, shown, auto), field);
  }

  function caches() {
    const row = h("div", { class: "segments", role: "group", "aria-label": "Precision of the context" });
    const mark = () => [...row.children].forEach((one, index) => one.setAttribute("aria-pressed", String(CACHES[index][1] === wishes.type_k)));
    row.append(...CACHES.map(([text, value]) => button({ name: text, text, onclick: () => (change("type_k", value), mark()) })));
    mark();
    return h("div", { class: "control" }, h("span", {}, "Precision of the context"), row);
  }
}

/** One memory: what others use, then what the model takes; what sticks out is said in words. */
function device(share) {
  const { name, memory_bytes: memory, free_bytes: free, total_bytes: taken, margin_bytes: margin } = share;
  const width = (bytes) => `width:${((100 * bytes) / Math.max(memory, memory - free + taken)).toFixed(2)}%`;
  const label = name === "CPU" ? "RAM" : `${name} ${share.description}`;
  const over = taken + margin > free;
  const parts = PARTS.map(([kind, , key]) => h("i", { class: kind, style: width(share[key]) }));
  const told = `${size(taken)} of ${size(free)} free`;
  return h("div", { class: "device" }, h("div", {}, h("b", {}, label), h("span", { class: over ? "over" : "" }, told)),
    h("div", { class: "bar", role: "img", "aria-label": `${label}: ${told}` }, h("i", { class: "others", style: width(memory - free) }), ...parts));
}

/** Contexts worth choosing: a few for each doubling, and the model's own limit. */
function steps(most) {
  const found = [];
  for (let base = 1024; base < most; base *= 2) found.push(base, base * 1.25, base * 1.5, base * 1.75);
  return [...found.filter((value) => value < most), most];
}

/** Empty values say that the rest is automatic too, whatever was chosen before. */
function question(ref, wishes) {
  const query = new URLSearchParams({ ref, n_ctx: "", ...Object.fromEntries(Object.entries(wishes).map(([name, value]) => [name, String(value)])) });
  return `api/models/plan?${query}`;
}

const range = ([low, high]) => (high < 10 ? `${low.toFixed(1)} to ${high.toFixed(1)}` : `${count(low)} to ${count(high)}`);

/** The style sheet of this dialog, once, in the layer of dialogs. */
async function style() {
  const root = await topLayer();
  sheet ??= new Promise((done) => {
    const link = h("link", { rel: "stylesheet", href: new URL("plan.css", import.meta.url).href });
    ["load", "error"].forEach((event) => link.addEventListener(event, done));
    root.append(link);
  });
  return sheet;
}
