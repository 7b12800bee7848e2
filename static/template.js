// The editor of the model's chat template: problems by line and the prompt as it will be, while one types.
import { get, post, put, remove } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, h } from "./dom.js";
import { look, modelName } from "./engine.js";
import { count } from "./format.js";
import { state } from "./state.js";
import { complain, toast } from "./toast.js";

const SETTLE_MS = 400;

export async function editTemplate() {
  const { template, file, changed } = await get("api/template");
  const field = h("textarea", { class: "code", spellcheck: "false", autocapitalize: "off", "aria-label": "Chat template", wrap: "off", rows: 14 });
  const numbers = h("pre", { class: "numbers", "aria-hidden": "true" });
  const problems = h("ul", { class: "problems", role: "status", "data-testid": "template-problems" });
  const shown = h("pre", { class: "code prompt", tabindex: 0, "aria-label": "Prompt", "data-testid": "template-preview" });
  const tokens = h("small", { "data-testid": "template-tokens" });
  const keep = button({ name: "Keep", text: "Keep", class: "primary", onclick: () => save().catch(complain) });
  const reset = button({ name: "Back to the model's own", text: "Back to the model's own", onclick: () => back().catch(complain) });
  let timer = 0;
  let run = 0;
  field.value = template;
  const box = await dialog(`Chat template of ${modelName()}`, [
    h("p", {}, "It turns a conversation into the text that the model reads. Changes are kept for this model and used at once."),
    h("div", { class: "editor" }, numbers, field), problems,
    h("div", { class: "prompt-head" }, h("h3", {}, state.chatId ? "The open chat as a prompt" : "An example as a prompt"), tokens), shown,
    h("div", { class: "row" }, reset, h("span", { class: "space" }), keep),
  ], { class: "broad", "data-testid": "template-dialog" });
  reset.disabled = !changed && template === file;
  field.addEventListener("scroll", () => (numbers.scrollTop = field.scrollTop));
  field.addEventListener("input", () => {
    line();
    reset.disabled = false;
    clearTimeout(timer);
    timer = setTimeout(() => draw().catch(complain), SETTLE_MS);
  });
  line();
  await draw();

  function line() {
    const lines = field.value.split("\n").length;
    if (numbers.dataset.lines === String(lines)) return;
    numbers.dataset.lines = String(lines);
    numbers.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n");
  }

  async function draw() {
    const mine = ++run;
    const found = await post("api/template/preview", { template: field.value, chat: state.chatId });
    if (mine !== run) return;
    keep.disabled = Boolean(found.problems.length);
    problems.replaceChildren(...found.problems.map(({ line: at, message }) => h("li", {}, at ? button({ name: `Go to line ${at}`, text: `Line ${at}`, onclick: () => go(at) }) : null, h("span", {}, message))));
    shown.classList.toggle("old", keep.disabled);
    if (found.problems.length) return;
    shown.textContent = found.text;
    tokens.textContent = found.tokens === null ? "" : `${count(found.tokens)} tokens`;
  }

  function go(at) {
    const lines = field.value.split("\n");
    const start = lines.slice(0, at - 1).join("\n").length + (at > 1 ? 1 : 0);
    field.focus();
    field.setSelectionRange(start, start + (lines[at - 1]?.length ?? 0));
  }

  async function save() {
    await put("api/template", { template: field.value });
    toast("The template is kept and used from the next message on.");
    box.close();
    look();
  }

  async function back() {
    await remove("api/template");
    toast("The model's own template is used again.");
    box.close();
    look();
  }
}
