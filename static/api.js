// Talking to the server. Every URL is relative to this file, so a sub-path of a proxy works too.

const ROOT = new URL("../", import.meta.url);

/** What the server refused, in a sentence for the user. */
export class Refused extends Error {
  /** @param {string} message @param {number} status 0: no answer at all */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path below the app's root */
export const at = (path) => new URL(path, ROOT).href;

/**
 * @param {string} method @param {string} path below the app's root @param {unknown} [body]
 * @returns {Promise<any>} the answer's JSON. Throws `Refused`.
 */
export async function ask(method, path, body) {
  const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  let response;
  try {
    response = await fetch(at(path), { method, ...json, headers: { accept: "application/json", ...json.headers } });
  } catch {
    throw new Refused("M3 Studio does not answer. Check that it is still running.", 0);
  }
  if (response.status === 401) {
    location.reload(); // the session is over: the server shows the login page
    return new Promise(() => {});
  }
  const data = await response.json().catch(() => ({}));
  if (response.ok) return data;
  throw new Refused(data.error?.message ?? `The server refused this (status ${response.status}). Try again.`, response.status);
}

export const get = (/** @type {string} */ path) => ask("GET", path);
export const post = (/** @type {string} */ path, /** @type {unknown} */ body = {}) => ask("POST", path, body);
export const put = (/** @type {string} */ path, /** @type {unknown} */ body) => ask("PUT", path, body);
export const patch = (/** @type {string} */ path, /** @type {unknown} */ body) => ask("PATCH", path, body);
export const remove = (/** @type {string} */ path) => ask("DELETE", path);
