// What was saved under a name: presets of settings, and system prompts. Save, use, rename, delete, share.
import { get, patch, post, remove } from "./api.js";
import { dialog } from "./dialogs.js";
import { button, h, icon } from "./dom.js";
import { emit, state } from "./state.js";
import { complain, toast } from "./toast.js";
import { keep, lookAtSettings, used } from "./used.js";

/** @param {"chat" | "model"} scope where one is applied */
export function presets(scope) {
  const where = scope === "chat" ? "this chat" : "this model";
  const apply = async (entry) => {
    if (scope === "chat") emit("apply", entry.content);
    else await post(`api/presets/${entry.id}/apply`, { scope });
    await lookAtSettings();
    toast(`“${entry.name}” is used for ${where}.`);
  };
  return shelf("presets", "Presets", `A preset keeps every value that you set yourself. Using one replaces your values for ${where}.`, apply,
    () => ({ chat: state.chatId }), "Save what is set now");
}

/** @param {"chat" | "model"} scope where one is used */
export function prompts(scope) {
  const apply = async (entry) => {
    await keep(scope, { system_prompt: entry.content });
    toast(`“${entry.name}” is the system prompt now.`);
  };
  return shelf("prompts", "Saved prompts", "System prompts to use again.", apply, () => ({ content: used[scope].system_prompt?.value ?? "" }), "Save the one in use");
}

/**
 * @param {"presets" | "prompts"} path @param {string} title @param {string} words @param {(entry: any) => Promise<void>} apply
 * @param {() => object} content of a new one @param {string} act
 */
async function shelf(path, title, words, apply, content, act) {
  const list = h("ul", { class: "entries" });
  const tried = (work) => work().then(draw).catch(complain);
  const field = h("input", { placeholder: "Name", "aria-label": "Name to save under", maxlength: 80, required: true });
  const save = async (event) => {
    event.preventDefault();
    await tried(async () => {
      await lookAtSettings(); // what was just entered may be on its way
      await post(`api/${path}`, { name: field.value, ...content() });
      field.value = "";
    });
  };
  const file = h("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: () => tried(() => take(file, path)) });
  const box = await dialog(title, [h("p", {}, words), list,
    h("form", { class: "row", onsubmit: save }, field, h("button", { type: "submit", class: "button primary" }, h("span", {}, act))),
    h("div", { class: "row" }, h("span", { class: "space" }), button({ name: "Import a file", text: "Import a file", icon: "folder", onclick: () => file.click() }), file)], { "data-testid": `${path}-dialog` });

  async function draw() {
    const { [path]: entries } = await get(`api/${path}`);
    list.replaceChildren(...entries.map(row));
    list.hidden = !entries.length;
  }

  function row(entry) {
    const use = () => apply(entry).then(() => box.close()).catch(complain);
    const share = h("a", { class: "button small", href: `api/${path}/${entry.id}/export`, download: "", title: "Share as a file", "aria-label": `Share ${entry.name} as a file` }, icon("download"));
    const line = h("li", {}, h("span", { class: "what" }, h("b", {}, entry.name), h("small", {}, summary(entry.content))),
      button({ name: `Use ${entry.name}`, text: "Use", class: "quiet", onclick: use }),
      button({ name: `Rename ${entry.name}`, icon: "pencil", class: "small", onclick: () => rename(entry, line) }), share,
      button({ name: `Delete ${entry.name}`, icon: "trash", class: "small", onclick: () => tried(() => remove(`api/${path}/${entry.id}`)) }));
    return line;
  }

  function rename(entry, line) {
    const name = h("input", { value: entry.name, "aria-label": "New name", maxlength: 80 });
    const done = () => tried(() => (name.value.trim() && name.value !== entry.name ? patch(`api/${path}/${entry.id}`, { name: name.value }) : Promise.resolve()));
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter") done();
      if (event.key === "Escape") (event.preventDefault(), event.stopPropagation(), draw());
    });
    name.addEventListener("blur", done, { once: true });
    line.querySelector(".what").replaceChildren(name);
    name.select();
  }

  await draw();
  return box;
}

/** @param {HTMLInputElement} file @param {string} path */
async function take(file, path) {
  const [chosen] = file.files;
  file.value = "";
  if (!chosen) return;
  let data;
  try {
    data = JSON.parse(await chosen.text());
  } catch {
    throw new Error("This file is no JSON. Choose one that was exported here.");
  }
  await post(`api/${path}/import`, data);
}

/** @param {any} content */
function summary(content) {
  if (typeof content === "string") return shorten(content);
  const { sampling = {}, system_prompt: prompt, ...others } = content;
  const parts = Object.entries({ ...sampling, ...others }).map(([name, value]) => `${name.replaceAll("_", " ")} ${Array.isArray(value) ? value.join(" ") : value}`);
  return shorten([prompt && `“${shorten(prompt, 40)}”`, ...parts].filter(Boolean).join(" · "));
}

const shorten = (text, most = 110) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);
