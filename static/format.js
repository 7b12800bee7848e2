// Numbers, sizes and days as people read them.

const number = new Intl.NumberFormat("en");
const month = new Intl.DateTimeFormat("en", { month: "long", year: "numeric" });
const DAY = 86400_000;

/** @param {number} value */
export const count = (value) => number.format(Math.round(value));

/** Decimal, as disks and downloads are sold. @param {number} bytes */
export function size(bytes) {
  if (bytes < 1e6) return `${count(bytes / 1e3)} kB`;
  if (bytes < 1e9) return `${count(bytes / 1e6)} MB`;
  return `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;
}

/** @param {number} value of parameters */
export function parameters(value) {
  if (!value) return "";
  return value < 1e9 ? `${count(value / 1e6)}M` : `${(value / 1e9).toFixed(value < 1e10 ? 1 : 0)}B`;
}

/** @param {number} value of seconds */
export function seconds(value) {
  if (value < 10) return `${value.toFixed(1)} s`;
  if (value < 90) return `${Math.round(value)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** How far away, roughly. @param {number} value of seconds */
export const about = (value) => (value < 90 ? `about ${Math.max(1, Math.round(value))} s` : `about ${Math.round(value / 60)} min`);

/** @param {number} epoch in seconds */
export function ago(epoch) {
  const past = Date.now() / 1000 - epoch;
  if (past < 90) return "just now";
  if (past < 3600) return `${Math.round(past / 60)} min ago`;
  if (past < 86400) return `${Math.round(past / 3600)} h ago`;
  return `${Math.round(past / 86400)} days ago`;
}

/** The heading below which a chat stands. @param {number} epoch in seconds @param {Date} [now] */
export function dayGroup(epoch, now = new Date()) {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const time = epoch * 1000;
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY) return "Yesterday";
  if (time >= midnight - 7 * DAY) return "Previous 7 days";
  if (time >= midnight - 30 * DAY) return "Previous 30 days";
  return month.format(time);
}

/** What an answer took. @param {any} stats of a message @param {string} model @returns {string[]} */
export function figures(stats, model) {
  const { usage, timings } = stats ?? {};
  if (!usage) return model ? [model] : [];
  const speed = timings?.predicted_ms > 0 ? (usage.completion_tokens / timings.predicted_ms) * 1000 : 0;
  return [
    `${count(usage.completion_tokens)} ${usage.completion_tokens === 1 ? "token" : "tokens"}`,
    speed ? `${speed < 100 ? speed.toFixed(1) : count(speed)} tok/s` : "",
    timings?.first_token_ms ? `${(timings.first_token_ms / 1000).toFixed(2)} s to first token` : "",
    usage.cached_tokens ? `${count(usage.cached_tokens)} reused` : "",
    model,
  ].filter(Boolean);
}

/** A browser by its name, as far as it says. @param {string} agent its User-Agent */
export function device(agent) {
  const named = (/** @type {[RegExp, string][]} */ table) => table.find(([pattern]) => pattern.test(agent))?.[1] ?? "";
  const browser = named([[/Edg\//, "Edge"], [/OPR\//, "Opera"], [/Firefox\//, "Firefox"], [/Chrom(e|ium)\//, "Chrome"], [/Safari\//, "Safari"]]);
  const system = named([[/iPhone|iPad/, "iOS"], [/Android/, "Android"], [/Mac OS X/, "macOS"], [/Windows/, "Windows"], [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]]);
  return [browser || "A browser", system].filter(Boolean).join(" on ");
}
