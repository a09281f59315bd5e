/** Where the reader is: in the address, or, inside an MCP host, in memory: a link would lead out of its frame. */

/** Whether an MCP host shows this page in its conversation (`ui://atos/page`). */
export const embedded = typeof document !== "undefined" && document.documentElement.dataset["host"] === "mcp";

let inside = "#/";
const listeners = new Set<() => void>();

export const parts = (hash: string): string[] => hash.replace(/^#\/?/, "").split("/").map(decoded);

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // somebody typed a lone % into the address
  }
}

export const where = (): string[] => parts(embedded ? inside : location.hash);

export function go(hash: string): void {
  if (!embedded) {
    location.hash = hash;
    return;
  }
  inside = hash;
  for (const tell of listeners) tell();
}

export function onMove(tell: () => void): () => void {
  if (embedded) listeners.add(tell);
  else addEventListener("hashchange", tell);
  return () => {
    listeners.delete(tell);
    removeEventListener("hashchange", tell);
  };
}

/** Have links change the place instead of the frame; others are opened by the host. */
export function keepLinks(openOutside: (url: string) => void): void {
  document.addEventListener("click", (event) => {
    const link = (event.target as Element | null)?.closest("a");
    const href = link?.getAttribute("href");
    if (!href) return;
    event.preventDefault();
    if (href.startsWith("#/")) go(href);
    else if (href.startsWith("http")) openOutside(href);
  });
}
