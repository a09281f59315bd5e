// Preloaded into the conformance suite (`node --import`), which has no option for a token: gives every request
// that has none the one of ATOS_TOKEN. The suite sends through
// the global `fetch`, through its own undici and through `http`.
import http from "node:http";
import { createRequire, syncBuiltinESMExports } from "node:module";

const BEARER = `Bearer ${process.env.ATOS_TOKEN}`;
const plainFetch = globalThis.fetch;

globalThis.fetch = (input, init = {}) => {
  const headers = new Headers(init.headers ?? (input instanceof Request ? input.headers : undefined));
  if (!headers.has("authorization")) headers.set("authorization", BEARER);
  return plainFetch(input, { ...init, headers });
};

const undici = createRequire(process.argv[1])("undici");
const authorized = (dispatch) => (options, handler) => {
  const headers = Array.isArray(options.headers)
    ? [...options.headers, "authorization", BEARER]
    : { authorization: BEARER, ...options.headers };
  return dispatch({ ...options, headers }, handler);
};
undici.setGlobalDispatcher(new undici.Agent().compose(authorized));

const plainRequest = http.request;
http.request = (...words) => {
  const request = plainRequest(...words);
  if (!request.headersSent && !request.hasHeader("authorization")) request.setHeader("authorization", BEARER);
  return request;
};
syncBuiltinESMExports();
