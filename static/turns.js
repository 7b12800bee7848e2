// The open chat: loading it, asking, following the answer, stopping, and what is done to single messages.
import { get, patch, post } from "./api.js";
import { create, open } from "./chats.js";
import { look, modelName } from "./engine.js";
import { follow } from "./follow.js";
import { count } from "./format.js";
import { emit, on, state } from "./state.js";
import { complain } from "./toast.js";
import { changed } from "./used.js";

const SETTLE_MS = 200; // a finished turn may hold its chat this much longer

export class Conversation {
  /** @param {import("./transcript.js").Transcript} transcript */
  constructor(transcript) {
    this.transcript = transcript;
    /** The open chat as the server told it; null while it is new. @type {any} */
    this.chat = null;
    /** Settings of a chat that is not made yet. @type {any} */
    this.settings = {};
    this.run = 0; // counts what was opened: answers to older questions are ignored
    /** @type {string | null} the followed turn */
    this.turnId = null;
    this.ended = "";
    this.stopWanted = false;
    /** @type {import("./message.js").Answer | null} */
    this.view = null;
    this.unfollow = () => {};
    this.drawing = false;
    on("open", () => this.load());
    on("chats", () => this.#compare());
    on("models", () => state.live && this.view?.waitForModel());
    on("wish", (values) => this.set(changed(this.own, values)));
    on("apply", (settings) => {
      const { tools, limits } = this.own; // a preset says nothing of these
      this.set({ ...(tools && { tools }), ...(limits && { limits }), ...settings });
    });
    on("answer-now", () => this.turnId && post(`api/turns/${this.turnId}/answer_now`).catch(complain));
  }

  /** Settings of the open chat. */
  get own() {
    return this.chat?.settings ?? this.settings;
  }

  /** @param {any} settings */
  async set(settings) {
    if (!this.chat) this.settings = settings;
    else {
      this.chat.settings = settings;
      await patch(`api/chats/${this.chat.id}`, { settings }).catch(complain);
    }
    emit("settings", this.own);
  }

  /** Show the chat that is open now. @param {boolean} [anew] false: it is shown already, and may have changed */
  async load(anew = true) {
    const run = ++this.run;
    const id = state.chatId;
    if (anew) this.#leave();
    if (!id) {
      this.chat = null;
      this.settings = {};
      this.transcript.show([], true);
      emit("chat", this.own);
      return;
    }
    try {
      const known = anew || this.chat?.id !== id ? [] : this.chat.messages;
      const at = known.findLastIndex((message) => message.role === "user");
      const since = at < 0 ? "" : `?since=${known[at].id}`; // of a long chat only the end is news
      const chat = await get(`api/chats/${encodeURIComponent(id)}${since}`);
      if (run !== this.run) return;
      if (chat.since) chat.messages = [...known.slice(0, at), ...chat.messages];
      this.#show(chat, anew);
    } catch (error) {
      if (run !== this.run) return;
      complain(error);
      if (error.status === 404) open(null, "replace");
    }
  }

  #show(chat, anew) {
    this.chat = chat;
    this.transcript.show(chat.messages, anew);
    if (anew) this.transcript.end();
    emit("chat", this.own);
    if (chat.turn_id && chat.turn_id !== this.ended && chat.turn_id !== this.turnId) this.#follow(chat.turn_id);
  }

  /** The list was fetched: was the open chat changed elsewhere? */
  #compare() {
    const line = state.chats.find((chat) => chat.id === state.chatId);
    if (!line || !this.chat || this.chat.id !== line.id || state.live || this.transcript.column.querySelector(".editor")) return;
    const running = line.turn_id && line.turn_id !== this.ended;
    if (running || line.updated_at !== this.chat.updated_at) this.load(false);
    if (line.title !== this.chat.title) {
      this.chat.title = line.title;
      emit("chat", this.own);
    }
  }

  // ------------------------------------------------------------------------------------------------- asking

  /** @param {string} text @returns {Promise<boolean>} whether it was taken */
  send(text) {
    return this.#ask({ text }, text);
  }

  /** Ask again with another text; what followed the old one stays as another version. @param {number} id @param {string} text */
  resend(id, text) {
    const row = this.transcript.messages.find((message) => message.id === id);
    this.transcript.cut(id);
    return this.#ask({ text, parent_id: row.parent_id }, text);
  }

  /** @param {number} id of an answer */
  regenerate(id) {
    const row = this.transcript.messages.find((message) => message.id === id);
    this.transcript.cut(this.transcript.firstOfTurn(row).id);
    return this.#ask({ regenerate: id });
  }

  /** @param {number} id of an answer */
  goOn(id) {
    return this.#ask({ continue: id }, undefined, id);
  }

  /** @param {any} body @param {string} [text] of the new question @param {number} [known] the answer that goes on */
  async #ask(body, text, known) {
    if (state.live) return false;
    const run = this.run;
    const [question, answer] = [-2 * Date.now(), -2 * Date.now() - 1];
    if (text !== undefined) this.transcript.append(draft(question, text));
    this.view = known ? this.transcript.views.get(known) : this.transcript.begin(answer, "", "", modelName());
    if (known) this.view.show({ ...this.view.message, state: "streaming" });
    this.view.wait("");
    this.stopWanted = false;
    this.#live(true);
    this.transcript.end();
    if (state.engine.state !== "ready") setTimeout(look, 250); // the server loads a model for this
    try {
      const id = state.chatId ?? (await create(this.settings));
      const turn = await begin(id, body);
      if (run !== this.run) return true; // another chat was opened meanwhile
      if (text !== undefined) this.transcript.rename(question, turn.user_message_id);
      if (!known) this.transcript.rename(answer, turn.message_id);
      this.chat ??= { id, title: "", settings: this.settings, messages: [] };
      this.#follow(turn.turn_id);
      emit("turn");
      emit("chat", this.own);
      return true;
    } catch (error) {
      complain(error);
      if (run !== this.run) return false;
      this.#live(false);
      if (this.chat) await this.load(false);
      else this.transcript.show([], true);
      emit("chat", this.own);
      return false;
    }
  }

  /** Show another version of a message. @param {number} to */
  async switchTo(to) {
    const run = this.run;
    try {
      const chat = await patch(`api/chats/${this.chat.id}`, { head_id: to });
      if (run === this.run) this.transcript.atEnd = false;
      if (chat.messages && run === this.run) this.#show(chat, false);
      else await this.load(false);
    } catch (error) {
      complain(error);
    }
  }

  stop() {
    if (!state.live) return;
    if (this.turnId) post(`api/turns/${this.turnId}/stop`).catch(complain);
    else this.stopWanted = true;
  }

  // ------------------------------------------------------------------------------------------------- following

  #leave() {
    this.unfollow();
    this.unfollow = () => {};
    this.turnId = null;
    this.view = null;
    this.#live(false);
  }

  #live(live) {
    if (state.live === live) return;
    state.live = live;
    this.transcript.column.setAttribute("aria-busy", String(live)); // read the answer out when it is whole
    emit("live");
  }

  #follow(turnId) {
    this.unfollow();
    this.turnId = turnId;
    this.#live(true);
    if (this.stopWanted) this.stop();
    this.unfollow = follow(turnId, (name, data) => {
      if (this.turnId !== turnId) return;
      this.#event(name, data);
      this.#draw();
    });
  }

  /** @param {string} callId @param {"once" | "always" | "deny"} answer */
  #approve(callId, answer) {
    post(`api/turns/${this.turnId}/approve`, { call_id: callId, answer }).catch(complain);
  }

  #draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.view?.flush();
    });
  }

  #event(name, data) {
    const { view } = this;
    switch (name) {
      case "MessageStarted":
        view?.settle();
        this.view = this.transcript.begin(data.message_id, data.content, data.reasoning_content, modelName());
        return this.view.waitForModel();
      case "Queued":
        return view?.wait(data.place > 1 ? `Waiting: number ${data.place} in the queue` : "Waiting: next in the queue");
      case "PromptProgress":
        return view?.wait(prefill(data), data.total ? data.done / data.total : undefined);
      case "ReasoningDelta":
        return view?.think(data.text);
      case "TextDelta":
        return view?.say(data.text);
      case "ToolCallDelta":
        return view?.call(data);
      case "ApprovalNeeded":
        return view?.card(data.call.id, data.call).ask(data.call, (answer) => this.#approve(data.call.id, answer));
      case "ApprovalGiven":
        return view?.card(data.call_id)?.answered();
      case "ToolStarted":
        return view?.card(data.call.id, data.call).start(data.call);
      case "ToolOutput":
        return view?.card(data.call_id)?.print(data.text);
      case "ToolFinished":
        return view?.card(data.call_id)?.finish(data.result, data.error, data.seconds);
      case "Notice":
        return view?.notice(data.text);
      case "TurnFinished":
      case "TurnFailed":
        return this.#end(name, data);
      case "Lost":
        return this.#lost();
      case "Broken":
        return emit("connection", false);
      case "Mended":
        return emit("connection", true);
    }
  }

  #end(name, data) {
    const { view } = this;
    this.ended = this.turnId;
    emit("connection", true);
    if (view) {
      view.flush();
      const failed = name === "TurnFailed";
      const how = failed ? "error" : data.finish_reason === "cancelled" ? "stopped" : "done";
      view.show({ ...view.message, content: view.markdown.source, state: how, error: data.message ?? "", stats: failed ? null : data });
    }
    this.#leave();
    emit("turn");
    look();
    this.load(false);
  }

  /** The server does not know the turn: it was started anew, or the turn ended long ago. */
  #lost() {
    emit("connection", true);
    this.ended = this.turnId;
    this.#leave();
    this.load(false);
  }
}

/** @param {{done: number, total: number, cached: number, tokens_per_second: number}} progress */
function prefill({ done, total, cached, tokens_per_second: speed }) {
  const share = total ? Math.round((done / total) * 100) : 0;
  const parts = [`Reading ${count(total)} tokens · ${share} %`, speed && `${count(speed)} tok/s`, cached && `${count(cached)} reused`];
  return parts.filter(Boolean).join(" · ");
}

/** Begin a turn. A chat whose last turn ended this instant may still be held: try once more. */
async function begin(id, body) {
  try {
    return await post(`api/chats/${id}/turns`, body);
  } catch (error) {
    if (error.status !== 409) throw error;
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    return post(`api/chats/${id}/turns`, body);
  }
}

/** @param {number} id @param {string} text */
const draft = (id, text) => ({
  id, parent_id: null, role: "user", content: text, reasoning_content: "", tool_calls: [], tool_call_id: "", state: "sending", model: "", stats: null,
  error: "", siblings: [id],
});
