// What the settings panel offers: each field with its name, its line of help and how it is entered. Data only.

/**
 * @typedef {{name: string, label: string, help: string, kind?: "number" | "text" | "mode" | "lines", least?: number, most?: number, step?: number,
 *   slide?: boolean, whole?: boolean, empty?: string, limits?: [number, number]}} Field; a slider may span less than the limits
 */

const slide = (name, label, most, step, help, least = 0, limits = [least, most]) => ({ name, label, help, kind: "number", slide: true, least, most, step, whole: step === 1, limits });
const number = (name, label, least, most, step, help, empty) => ({ name, label, help, kind: "number", step, whole: step === 1, empty, limits: [least, most] });

/** @type {[string, Field[], boolean?][]} a heading, its fields, and whether they are folded away */
export const GROUPS = [
  ["Instructions", [
    { name: "system_prompt", label: "System prompt", kind: "text", help: "What the model reads ahead of every conversation." },
  ]],
  ["Thinking", [
    { name: "thinking", label: "Thinking", kind: "mode", help: "Whether the model thinks before it answers. Auto leaves it as the model comes." },
    number("thinking_budget", "Thinking budget", 0, 10_000_000, 1, "Tokens of thought after which it must answer.", "No limit"),
  ]],
  ["Sampling", [
    slide("temperature", "Temperature", 2, 0.01, "How freely words are chosen; 0 always takes the likeliest.", 0, [0, 10]),
    slide("top_p", "Top-p", 1, 0.01, "Only the likeliest words that together reach this share; 1 is off."),
    slide("top_k", "Top-k", 200, 1, "Only so many of the likeliest words; 0 is off.", 0, [0, 1_000_000]),
    slide("min_p", "Min-p", 1, 0.01, "Only words at least this likely beside the best one; 0 is off."),
    number("seed", "Seed", 0, 4294967295, 1, "The same seed and settings repeat the same answer.", "Random"),
  ]],
  ["Length", [
    number("max_tokens", "Longest answer", 1, 10_000_000, 1, "Tokens, thoughts included.", "No limit"),
    { name: "stop", label: "Stop strings", kind: "lines", help: "The answer ends before any of these. One on each line." },
    { name: "response_format", label: "Response format", kind: "text", help: "Empty: as the model likes. json: an object. Or a JSON schema that the answer keeps; tools are off then." },
  ]],
  ["Repetition", [
    slide("repeat_penalty", "Repeat penalty", 2, 0.01, "Makes repeated words less likely; 1 is off.", 1, [0.01, 10]),
    slide("presence_penalty", "Presence penalty", 2, 0.05, "Against words that were used at all; 0 is off.", -2),
    slide("frequency_penalty", "Frequency penalty", 2, 0.05, "Against words the more often they were used; 0 is off.", -2),
    number("repeat_last_n", "Looks back", -1, 10_000_000, 1, "Tokens that the penalties look at; -1 is the whole context."),
    slide("dry_multiplier", "DRY strength", 5, 0.05, "Against repeating whole phrases; 0 is off.", 0, [0, 10]),
    number("dry_base", "DRY base", 1, 10, 0.05, "How fast that grows with the phrase's length."),
    number("dry_allowed_length", "DRY allowed length", 0, 1000, 1, "Phrases up to so many tokens may repeat."),
  ], true],
  ["More sampling", [
    slide("typical_p", "Typical-p", 1, 0.01, "Only words that are about as surprising as usual; 1 is off."),
    slide("xtc_probability", "XTC probability", 1, 0.01, "How often the likeliest words are left out; 0 is off."),
    slide("xtc_threshold", "XTC threshold", 1, 0.01, "How likely words must be to be left out."),
  ], true],
];

const month = new Intl.DateTimeFormat("en", { month: "long", year: "numeric", timeZone: "UTC" });

/** Where a value comes from, in words; `page` is what to link to. @param {import("./used.js").Setting} setting */
export function originOf({ origin, source, date }) {
  const page = /^https:\/\//.test(source) ? source : "";
  const name = page.replace(/^https:\/\/(huggingface\.co\/)?/, "");
  const day = date ? ` · ${month.format(new Date(`${date}-01T00:00:00Z`))}` : "";
  return {
    chat: { words: "Yours, for this chat" },
    model: { words: "Yours, for this model" },
    all: { words: "Yours, for every model" },
    makers: { words: "From ", page, name, day },
    family: { words: "Its family: ", page, name, day },
    file: { words: "From the model's file" },
    config: { words: "From generation_config.json" },
    neutral: { words: "" },
  }[origin] ?? { words: "" };
}

/** @param {string} mode of thinking */
export const modeName = (mode) => mode.charAt(0).toUpperCase() + mode.slice(1);
