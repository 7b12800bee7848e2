// Formulas: $..$, $$..$$, \(..\), \[..\]. KaTeX is large, so it comes with the first formula.

/** @type {any} */
let katex;
/** Formulas that wait for KaTeX. @type {Set<HTMLElement>} */
const waiting = new Set();

const escape = (/** @type {string} */ text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");

/** An extension of marked. @param {string} name @param {"block" | "inline"} level @param {RegExp} start @param {RegExp[]} patterns */
const formula = (name, level, start, patterns) => ({
  name,
  level,
  start: (/** @type {string} */ source) => {
    const at = source.search(start);
    return at < 0 ? undefined : at;
  },
  tokenizer(/** @type {string} */ source) {
    for (const pattern of patterns) {
      const match = pattern.exec(source);
      if (match) return { type: name, raw: match[0], text: match[1].trim(), display: level === "block" || match[0].startsWith("$$") || match[0].startsWith("\\[") };
    }
    return undefined;
  },
  renderer: (/** @type {any} */ token) => `<span class="formula${token.display ? " display" : ""}">${escape(token.text)}</span>`,
});

export const mathematics = [
  formula("formulaBlock", "block", /\$\$|\\\[/, [/^ {0,3}\$\$([\s\S]+?)\$\$[ \t]*(?:\n|$)/, /^ {0,3}\\\[([\s\S]+?)\\\][ \t]*(?:\n|$)/]),
  formula("formulaInline", "inline", /\$|\\[([]/, [
    /^\$\$([^$]+?)\$\$/,
    /^\\\(([\s\S]+?)\\\)/,
    /^\\\[([\s\S]+?)\\\]/,
    /^\$(?!\s)((?:\\.|[^$\\\n])+?)(?<![\s\\])\$(?![\d\w])/, // $5 and $10 are prices
  ]),
];

/** @param {DocumentFragment} fragment */
export function dressMathematics(fragment) {
  for (const span of /** @type {NodeListOf<HTMLElement>} */ (fragment.querySelectorAll("span.formula"))) {
    if (katex) draw(span);
    else waiting.add(span);
  }
  if (waiting.size && !katex) fetchKatex();
}

async function fetchKatex() {
  ({ default: katex } = await import("./vendor/katex/katex.mjs"));
  for (const span of waiting) if (span.isConnected) draw(span);
  waiting.clear();
}

/** @param {HTMLElement} span */
function draw(span) {
  const displayMode = span.classList.contains("display");
  katex.render(span.textContent, span, { displayMode, throwOnError: false, trust: false, strict: "ignore", maxExpand: 500, maxSize: 30 });
}
