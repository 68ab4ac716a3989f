// Tokens for every resource, and the code of each common mistake, with
// Microsoft's JavaScript clients as they come.

import assert from "node:assert/strict";
import { suite, test } from "node:test";

import { DefaultAzureCredential, WorkloadIdentityCredential } from "@azure/identity";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { EnvHttpProxyAgent, setGlobalDispatcher } from "undici";

import * as cloud from "./cloud.js";

// msal-node asks with Node's own fetch, which looks at HTTPS_PROXY from Node 24
// on (NODE_USE_ENV_PROXY=1); before that it has to be told so.
setGlobalDispatcher(new EnvHttpProxyAgent());

const vaultScope = `${cloud.resources["Key Vault"]}/.default`;
const nobody = "22222222-2222-2222-2222-222222222222";
const nowhere = "11111111-1111-1111-1111-111111111111";

/** The AADSTS code in what a client throws; nothing when it does not. */
async function refusal(work) {
  try {
    await work();
  } catch (error) {
    const found = /AADSTS(\d+): /.exec(error.message);
    assert.ok(found, error);
    return Number(found[1]);
  }
}

const clients = {
  "@azure/identity": (test, { assertion, scope = vaultScope, client, tenant }) =>
    refusal(() => {
      const options = { clientId: client, tenantId: tenant };
      if (assertion) {
        options.tokenFilePath = cloud.tokenFile(test, assertion);
      }
      return new WorkloadIdentityCredential(options).getToken(scope);
    }),
  "@azure/msal-node": (_test, { assertion, scope = vaultScope, client, tenant }) =>
    refusal(() => {
      const auth = {
        clientId: client ?? process.env.AZURE_CLIENT_ID,
        authority: process.env.AZURE_AUTHORITY_HOST + (tenant ?? process.env.AZURE_TENANT_ID),
        clientAssertion: async () => assertion ?? cloud.ownToken(),
      };
      const request = { scopes: [scope] };
      return new ConfidentialClientApplication({ auth }).acquireTokenByClientCredential(request);
    }),
};

// What is wrong, how the request is made so, and the code that tells it.
const mistakes = {
  "another account's token": [
    async () => ({ assertion: await cloud.tokenOf({ serviceAccount: "bystander" }) }),
    700213,
  ],
  "an account that differs in case": [
    async () => ({ assertion: await cloud.tokenOf({ serviceAccount: "JavaScript" }) }),
    7002138,
  ],
  "a token for another audience": [
    async () => ({ assertion: await cloud.tokenOf({ audience: "api://AzureADTokenExchang" }) }),
    700212,
  ],
  "an issuer without its slash": [
    async () => ({
      assertion: cloud.tokenOfAnotherIssuer(cloud.endpoints.issuer.replace(/\/$/, "")),
    }),
    700211,
  ],
  "an issuer elsewhere": [
    async () => ({ assertion: cloud.tokenOfAnotherIssuer("https://oidc.example/cluster/") }),
    700211,
  ],
  "a key that the issuer has not published": [
    async () => ({ assertion: cloud.tokenOfAnotherIssuer(cloud.endpoints.issuer) }),
    7000272,
  ],
  "an expired token": [
    async () => ({ assertion: await cloud.tokenOf({ ageSeconds: 3600 }) }),
    700024,
  ],
  "a token of the future": [
    async () => ({ assertion: await cloud.tokenOf({ ageSeconds: -600 }) }),
    700024,
  ],
  "no token at all": [async () => ({ assertion: "nonsense" }), 50027],
  "a client that is not there": [async () => ({ client: nobody }), 700016],
  "a client that trusts nobody": [async () => ({ client: cloud.clientId("untrusting") }), 70025],
  "a tenant that is not there": [async () => ({ tenant: nowhere }), 90002],
  "a resource that is not there": [
    async () => ({ scope: "https://nothing.example/.default" }),
    500011,
  ],
  "a scope without /.default": [async () => ({ scope: cloud.resources["Key Vault"] }), 1002012],
};

for (const [name, client] of Object.entries(clients)) {
  suite(name, () => {
    for (const [resource, uri] of Object.entries(cloud.resources)) {
      test(`a token is had for ${resource}`, async (test) => {
        const before = await cloud.audited();
        const scope = `${uri}/.default`;

        assert.equal(await client(test, { scope }), undefined);

        const [exchange, ...more] = await cloud.exchangesSince(before);
        assert.equal(more.length, 0);
        assert.equal(exchange.decision, "allowed");
        assert.equal(exchange.identity, "javascript");
        assert.equal(exchange.subject, cloud.subject);
        assert.equal(exchange.action, scope);
      });
    }

    for (const [mistake, [make, expected]] of Object.entries(mistakes)) {
      test(`${mistake} is told by its code, ${expected}`, async (test) => {
        assert.equal(await client(test, await make()), expected);
      });
    }
  });
}

test("the default chain comes to workload identity", async () => {
  const before = await cloud.audited();

  assert.ok((await new DefaultAzureCredential().getToken(vaultScope)).token);

  const [exchange, ...more] = await cloud.exchangesSince(before);
  assert.equal(more.length, 0);
  assert.deepEqual([exchange.decision, exchange.subject], ["allowed", cloud.subject]);
});
