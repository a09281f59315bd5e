// Builds the page into servers/atos_servers/page/static, which is committed: users need no Node.
// `sources.json` keeps the sha256 of what it was built from, so that a test without Node finds a stale build.
import { createHash } from "node:crypto";
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const out = "../servers/atos_servers/page/static";
await build({
  entryPoints: ["src/main.tsx"], outfile: `${out}/app.js`, bundle: true, minify: true, format: "esm",
  target: "es2022", jsx: "automatic", jsxImportSource: "preact", legalComments: "inline",
  banner: { js: "/*! preact, MIT, (c) 2015-present Jason Miller */" },
});
await build({ entryPoints: ["src/app.css"], outfile: `${out}/app.css`, bundle: true, minify: true });
copyFileSync("src/index.html", `${out}/index.html`);
copyFileSync("src/icon.svg", `${out}/icon.svg`);
const sources = {};
for (const name of ["package.json", ...readdirSync("src").sort().map((each) => `src/${each}`)]) {
  sources[name] = createHash("sha256").update(readFileSync(name)).digest("hex");
}
writeFileSync(`${out}/sources.json`, `${JSON.stringify(sources, null, 1)}\n`);
