// The middle of the page: top bar, transcript, composer. Puts the parts together; each knows little of the others.
import { Composer } from "./composer.js";
import { button, h, shadow } from "./dom.js";
import { editInPlace } from "./edit.js";
import { look } from "./engine.js";
import { listenToKeys } from "./keys.js";
import { Question } from "./message.js";
import { arrange } from "./panels.js";
import { Start } from "./start.js";
import { on, state } from "./state.js";
import { topbar } from "./topbar.js";
import { Transcript } from "./transcript.js";
import { Conversation } from "./turns.js";

/** @param {HTMLElement} element */
export async function mount(element) {
  arrange();
  look();
  const root = await shadow(element.querySelector(".m3-host"), ["chat", "message", "code", "composer", "toolbox", "models", "vendor/katex/katex.min"]);
  const column = h("div", { class: "column", role: "log", "aria-live": "polite", "aria-label": "Messages" });
  const scroll = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Conversation", "data-testid": "transcript" }, column);
  const jump = button({ name: "Jump to the end", icon: "down", class: "jump", "data-testid": "jump", onclick: () => transcript.end(true) });
  jump.hidden = true;
  const transcript = new Transcript(scroll, column, (atEnd) => (jump.hidden = atEnd));
  const conversation = new Conversation(transcript);
  const composer = new Composer(conversation);
  const start = new Start((text) => composer.write(text));
  const offline = h("div", { class: "offline", role: "alert", hidden: true }, "The connection to M3 Studio broke. Trying again…");
  const surface = h("main", { class: "surface" }, topbar(conversation), offline,
    h("div", { class: "stage" }, scroll, jump), start.element, h("div", { class: "dock" }, composer.element));
  root.append(surface);

  const empty = () => surface.classList.toggle("empty", !transcript.messages.length && !state.chatId && !state.live);
  for (const name of ["chat", "live"]) on(name, empty);
  on("connection", (whole) => (offline.hidden = whole));
  on("act", ({ what, id, more }) => act(what, id, more));
  on("edit-last", () => {
    const last = transcript.messages.findLast((message) => message.role === "user");
    if (last && !state.live) act("edit", last.id);
  });

  function act(what, id, more) {
    if (state.live) return;
    if (what === "switch") conversation.switchTo(more);
    if (what === "regenerate") conversation.regenerate(id);
    if (what === "continue") conversation.goOn(id);
    const view = transcript.views.get(id);
    if (what === "edit" && view instanceof Question) editInPlace(view, (text) => conversation.resend(id, text).then(() => composer.focus()));
  }

  listenToKeys(conversation, composer);
  await conversation.load();
  empty();
  composer.focus();
}
