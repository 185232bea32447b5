// An OpenID provider on loopback, for the tests: `node idp.mjs PATH-OF-OIDC-PROVIDER`.
// It prints its port, and issues access tokens as JWT to one client. SIGHUP gives it new keys.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";

const { default: Provider } = await import(process.argv[2]);

const pairs = { ES256: ["ec", { namedCurve: "P-256" }], EdDSA: ["ed25519", {}],
  RS256: ["rsa", { modulusLength: 2048 }] };
let generation = 0;

function provider(issuer) {
  generation += 1;
  const keys = Object.entries(pairs).map(([alg, [kind, options]]) => ({
    ...generateKeyPairSync(kind, options).privateKey.export({ format: "jwk" }),
    alg, use: "sig", kid: `${alg}-${generation}`,
  }));
  // The name of the resource says by which algorithm its tokens are signed.
  const server = (ctx, resource) => ({
    scope: "openid twins:read system/Observation.rs predict", audience: resource,
    accessTokenTTL: 600, accessTokenFormat: "jwt",
    jwt: { sign: { alg: new URL(resource).pathname.slice(1) } },
  });
  return new Provider(issuer, {
    jwks: { keys },
    clients: [{ client_id: "charts", client_secret: "not-a-secret-but-long-enough-for-it",
      grant_types: ["client_credentials"], redirect_uris: [], response_types: [] }],
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: { enabled: true, getResourceServerInfo: server,
        defaultResource: () => "https://keep.example/ES256" },
    },
    scopes: ["openid", "twins:read", "system/Observation.rs", "predict"],
  }).callback();
}

let answer;
const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  answer = provider(issuer);
  process.on("SIGHUP", () => { answer = provider(issuer); console.log("rotated"); });
  console.log(server.address().port);
});
