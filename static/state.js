// What every part of the page looks at, and how one part tells the others of a change.

/**
 * @typedef {{id: string, title: string, updated_at: number, created_at: number, turn_id: string | null}} ChatLine
 * @typedef {{ref: string, name: string, path: string, size: number, architecture: string, quant: string, parameters: number,
 *   n_ctx_train: number, loaded: boolean, problem?: string, fit?: "" | "fits" | "tight" | "too_big", fit_reason?: string}} Model
 * @typedef {{state: "none" | "loading" | "ready" | "failed", ref: string, name: string, progress: number,
 *   seconds_left: number | null, error: string, alternatives?: {label: string, settings: object}[], n_ctx?: number, thinking?: import("./used.js").Thinking,
 *   template?: {tools: boolean, fallback: boolean, changed: boolean}}} Engine
 * @typedef {{id: string, name: string, state: "running" | "done" | "failed", done: number, total: number,
 *   bytes_per_second: number, error: string}} Download
 */

const params = new URLSearchParams(location.search);

export const state = {
  /** @type {string | null} the open chat; null is a new one that is not made yet */
  chatId: params.get("chat"),
  /** @type {ChatLine[]} */
  chats: [],
  query: "",
  /** True once the first answer about models came. */
  modelsKnown: false,
  /** @type {Model[]} */
  models: [],
  chosen: "",
  /** @type {Engine} */
  engine: { state: "none", ref: "", name: "", progress: 0, seconds_left: null, error: "" },
  /** @type {Download[]} */
  downloads: [],
  /** True while the open chat is being answered. */
  live: false,
};

const bus = new EventTarget();

/** @param {string} name @param {(detail: any) => void} listener */
export function on(name, listener) {
  bus.addEventListener(name, (event) => listener(/** @type {CustomEvent} */ (event).detail));
}

/** @param {string} name @param {unknown} [detail] */
export function emit(name, detail) {
  bus.dispatchEvent(new CustomEvent(name, { detail }));
}
