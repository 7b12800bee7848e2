// What stands in an empty chat: something to begin with, or the way to a first model.
import { button, h, icon } from "./dom.js";
import { busy, downloadStarter, load } from "./engine.js";
import { about, size } from "./format.js";
import { pathForm } from "./models.js";
import { on, state } from "./state.js";
import { complain } from "./toast.js";

const SUGGESTIONS = [
  ["Explain something", "Explain how a transformer reads a sentence, as you would to a curious teenager."],
  ["Write some code", "Write a Python function that finds the longest common prefix of a list of strings, with tests."],
  ["Draft a text", "Draft a short, friendly e-mail that moves a meeting from Tuesday to Thursday."],
  ["Plan something", "Plan a weekend in the mountains for two people who like good food and short walks."],
];

export class Start {
  /** @param {(text: string) => void} onpick of a suggestion */
  constructor(onpick) {
    this.onpick = onpick;
    this.element = h("section", { class: "start", "aria-label": "Start" });
    this.mark = "";
    on("models", () => this.draw());
    this.draw();
  }

  draw() {
    const { downloads, engine, models, modelsKnown } = state;
    const running = downloads.find((item) => item.state === "running");
    const failed = downloads.find((item) => item.state === "failed");
    if (!modelsKnown) return;
    if (running) return this.#set(JSON.stringify(running), () => this.#download(running));
    if (!models.length) return this.#set(`none ${failed?.error}`, () => this.#none(failed));
    if (engine.state === "failed") return this.#set(`failed ${engine.error}`, () => this.#failed());
    return this.#set("ready", () => this.#ready());
  }

  /** Draw only what differs from what is there: a field in it may be in use. @param {string} mark @param {() => (Node | false)[]} parts */
  #set(mark, parts) {
    if (mark === this.mark) return;
    this.mark = mark;
    this.element.replaceChildren(...parts().filter(Boolean));
  }

  #ready() {
    const picks = SUGGESTIONS.map(([name, text]) =>
      h("button", { type: "button", class: "pick", onclick: () => this.onpick(text) }, h("b", {}, name), h("span", {}, text)));
    return [h("h1", {}, "What shall we work on?"), h("div", { class: "picks" }, ...picks)];
  }

  #none(failed) {
    return [
      icon("logo"),
      h("h1", {}, "Welcome to M3 Studio"),
      h("p", {}, "It needs a model to answer. The starter model is small and quick: good for a first look, on any computer."),
      failed && h("p", { class: "problem error", role: "alert" }, icon("warning"), h("span", {}, failed.error || "The download failed. Try again.")),
      button({ name: "Download the starter model (98 MB)", text: "Download the starter model (98 MB)", icon: "download", class: "primary big", "data-testid": "download-starter", onclick: downloadStarter }),
      h("p", { class: "or" }, "or"),
      pathForm(),
    ];
  }

  #download({ name, done, total, bytes_per_second: speed }) {
    const share = total ? done / total : 0;
    const left = speed > 0 ? ` · ${about((total - done) / speed)} left` : "";
    return [
      icon("logo"),
      h("h1", {}, "Downloading the starter model"),
      h("progress", { value: share, max: 1, "aria-label": `Download of ${name}` }),
      h("p", { role: "status" }, `${size(done)} of ${size(total)}${speed > 0 ? ` · ${size(speed)}/s` : ""}${left}`),
    ];
  }

  #failed() {
    const { error, name, ref } = state.engine;
    return [
      h("h1", {}, `${name || "The model"} could not be loaded`),
      h("p", { class: "problem error", role: "alert" }, icon("warning"), h("span", {}, error)),
      !busy() && button({ name: "Try again", text: "Try again", icon: "retry", class: "primary big", onclick: () => load(ref).catch(complain) }),
    ];
  }
}
