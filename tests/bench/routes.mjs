// Route files for the bench: 1,000 routes in 20 APIs, among them those that are measured.

const APIS = 20, EACH = 50;
/** Measured beside the generated ones. */
const MEASURED = {
  open: `{ match: "GET /open/{id}" }`,
  token: '{ match: "GET /token/{id}", auth: { jwt: bench }, scopes: ["bench:read"] }',
  exact_limit: `{ match: "GET /exact/{id}", limits: [plenty] }`,
  limited: `{ match: "GET /limited/{id}", limits: [none-left] }`,
  cache_hit: `{ match: "GET /cached/{id}", cache: { ttl: 1h } }`,
  combined: `{ match: "GET /combined/{id}", combine: { item: { path: "/item/{id}" }, stock: { path: "/stock/{id}" } } }`,
};

/** One route for each kind of condition. */
const CONDITIONS = {
  header: `{ methods: GET, path: "/conditions/{id}", headers: { x-beta: true } }`,
  query: `{ methods: GET, path: "/conditions/{id}", query: { version: [a, b] } }`,
  cookie: `{ methods: GET, path: "/cookies/{id}", cookies: { session: { regex: "[0-9a-f]+" } } }`,
  certificate: `{ methods: GET, path: "/certificates/{id}", certificate: true }`,
  regex: `{ methods: GET, regex: "/numbers/[0-9]+" }`,
  prefix: `{ prefix: /files }`,
};

/** What a client calls in each scenario. */
export const PATHS = {
  open: "/bench/v1/open/kettle",
  token: "/bench/v1/token/kettle",
  exact_limit: "/bench/v1/exact/kettle",
  not_found: "/bench/v1/nothing/here",
  unauthorized: "/bench/v1/token/kettle",
  limited: "/bench/v1/limited/kettle",
  cache_hit: "/bench/v1/cached/kettle",
  combined: "/bench/v1/combined/kettle",
};

/** @param {number} origin port @param {object} jwk public key of the issuer @returns {Record<string, string>} */
export function routeFiles(origin, jwk) {
  const files = /** @type {Record<string, string>} */ ({
    "gateway.yaml": `
tollgate: 2
issuers:
  bench:
    issuer: https://issuer.bench.invalid
    audience: bench
    algorithms: [ES256]
    keys: { inline: { keys: [${JSON.stringify(jwk)}] } }
    scopes: ["bench:read"]
    development: true
cors:
  web: { origins: ["https://app.example"], methods: [PUT, DELETE], headers: [authorization] }
upstreams:
  origin: { url: "http://127.0.0.1:${origin}" }
defaults: { auth: none, cors: web, timeout: { headers: 5s, total: 10s } }
`,
  });
  const measured = Object.entries(MEASURED);
  for (let api = 0; api < APIS; api++) {
    const name = api === 0 ? "bench" : `api${api}`;
    const routes = api === 0 ? measured.map(([id, route]) => `  ${id}: ${route}`) : [];
    // Conditions of every kind stand on other routes, and must cost those that are measured nothing.
    if (api === 1) {
      Object.entries(CONDITIONS).forEach(([id, match]) => routes.push(`  ${id}: { match: ${match} }`));
    }
    for (let n = routes.length; n < EACH; n++) routes.push(`  route${n}: { match: "GET /resource${n}/{id}/part/{part}" }`);
    const limits = api === 0 ? "limits:\n  plenty: { rate: 1000000/s, burst: 1000000, per: route }\n  none-left: { quota: 1/month, per: route }\n" : "";
    files[`${name}/v1.yaml`] = `tollgate: 2\napi: ${name}\nowner: bench\nversion: { name: v1 }\nbase: /${name}/v1\nupstream: origin\n${limits}routes:\n${routes.join("\n")}\n`;
  }
  return files;
}
