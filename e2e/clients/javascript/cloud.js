// The local cloud as a client on this machine meets it.
//
// Who we are, the proxy and the CA are in the environment that the cloud left
// for our service account. Beyond it there is only what a test changes on purpose.

import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const state = process.env.CLIENTS_STATE;
export const endpoints = JSON.parse(readFileSync(join(state, "endpoints.json"), "utf8"));

export const exchangeAudience = "api://AzureADTokenExchange";
export const subject = "system:serviceaccount:clients:javascript";

export const vault = "https://localvault.vault.azure.net";
export const storage = "https://localstorage.blob.core.windows.net";
export const cosmos = "https://localcosmos.documents.azure.com/";
export const bus = "localbus.servicebus.windows.net";

export const resources = {
  "Key Vault": "https://vault.azure.net",
  Storage: "https://storage.azure.com",
  "Cosmos DB": "https://cosmos.azure.com",
  "Service Bus": "https://servicebus.azure.net",
  "Microsoft Graph": "https://graph.microsoft.com",
};

// Which the cluster's issuer has never published.
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });

/** Asks the cloud's control API, as an administrator would act. */
export async function control(path, body) {
  const options = {
    method: body === undefined ? "GET" : "POST",
    headers: {
      authorization: "Bearer " + readFileSync(join(state, "control-token"), "utf8"),
      "content-type": "application/json",
    },
  };
  const text = await new Promise((resolve, reject) => {
    const asked = request(endpoints.control + path, options, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text += part));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(text) : reject(new Error(text)),
      );
      answer.on("error", reject);
    });
    asked.on("error", reject);
    asked.end(body === undefined ? undefined : JSON.stringify(body));
  });
  return JSON.parse(text);
}

/** The service-account token that is projected for us. */
export function ownToken() {
  return readFileSync(process.env.AZURE_FEDERATED_TOKEN_FILE, "utf8");
}

/** A service-account token as the cluster signs it. */
export async function tokenOf(changes = {}) {
  const request = {
    namespace: "clients",
    serviceAccount: "javascript",
    audience: exchangeAudience,
    lifetimeSeconds: 3600,
    ageSeconds: 0,
    ...changes,
  };
  return (await control("cluster/tokens", request)).token;
}

/** Our own claims under another issuer's name, signed with a key of ours. */
export function tokenOfAnotherIssuer(issuer) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const [, own] = ownToken().split(".");
  const claims = { ...JSON.parse(Buffer.from(own, "base64url")), iss: issuer };
  const message = `${encode({ alg: "RS256", kid: "ours" })}.${encode(claims)}`;
  return `${message}.${sign("sha256", message, privateKey).toString("base64url")}`;
}

/** The client id of an identity: the local cloud makes it from the name (UUIDv5). */
export function clientId(identity) {
  const dns = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
  return uuid5(uuid5(dns, "local-cloud.test"), `client/${identity}`);
}

function uuid5(namespace, name) {
  const hash = createHash("sha1").update(Buffer.from(namespace.replaceAll("-", ""), "hex"));
  const bytes = hash.update(name).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x50;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A file with this token, for the time of a test. */
export function tokenFile(test, token) {
  const directory = mkdtempSync(join(tmpdir(), "token-"));
  test.after(() => rmSync(directory, { recursive: true }));
  const file = join(directory, "token");
  writeFileSync(file, token);
  return file;
}

/** The place that the audit has reached. */
export async function audited() {
  const records = await control("audit");
  return records.length === 0 ? 0 : records.at(-1).sequence;
}

/** What the audit says of token exchanges after a place in it. */
export async function exchangesSince(sequence) {
  const records = await control(`audit?after=${sequence}`);
  return records.filter((record) => record.operation === "TokenExchange");
}
