#!/bin/sh
# Fetch the browser libraries into this folder with npm. Needed only to change a version.
set -eu
vendor=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$vendor/katex/fonts"

unpack() { # name@version -> $work/package
  rm -rf "$work/package"
  (cd "$work" && tar -xzf "$(npm pack --silent "$1" | tail -n 1)")
}

unpack marked@18.2.1
cp "$work/package/lib/marked.esm.js" "$vendor/"
cp "$work/package/LICENSE" "$vendor/marked.LICENSE"
unpack dompurify@3.4.18
cp "$work/package/dist/purify.es.mjs" "$vendor/"
cp "$work/package/LICENSE" "$vendor/dompurify.LICENSE"
unpack @highlightjs/cdn-assets@11.12.0
cp "$work/package/es/highlight.min.js" "$vendor/"
cp "$work/package/LICENSE" "$vendor/highlight.LICENSE"
unpack katex@0.19.1
cp "$work/package/dist/katex.min.css" "$work/package/dist/katex.mjs" "$vendor/katex/"
cp "$work/package/LICENSE" "$vendor/katex/"
cp "$work/package/dist/fonts/"*.woff2 "$vendor/katex/fonts/"
