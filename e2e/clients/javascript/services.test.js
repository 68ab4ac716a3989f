// The services behind the tokens, with Microsoft's JavaScript clients as they
// come: what our roles allow works, what they do not is refused as Azure does.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";

import { CosmosClient } from "@azure/cosmos";
import { WorkloadIdentityCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { ServiceBusClient } from "@azure/service-bus";
import { BlobServiceClient } from "@azure/storage-blob";
import { HttpsProxyAgent } from "https-proxy-agent";

import * as cloud from "./cloud.js";

const credential = new WorkloadIdentityCredential();

/** Another identity of the same cluster, without any role. */
async function bystander(test) {
  return new WorkloadIdentityCredential({
    clientId: cloud.clientId("bystander"),
    tokenFilePath: cloud.tokenFile(test, await cloud.tokenOf({ serviceAccount: "bystander" })),
  });
}

test("a secret is read", async () => {
  const secret = await new SecretClient(cloud.vault, credential).getSecret("generated");

  assert.equal(secret.name, "generated");
  assert.ok(secret.value);
});

test("a secret is refused without the role", async (test) => {
  const client = new SecretClient(cloud.vault, await bystander(test));

  await assert.rejects(client.getSecret("generated"), { statusCode: 403, code: "Forbidden" });
});

test("a blob is written, read and listed", async () => {
  const files = new BlobServiceClient(cloud.storage, credential).getContainerClient("files");
  const name = `javascript/${randomUUID()}`;
  const blob = files.getBlockBlobClient(name);

  await blob.uploadData(Buffer.from("written by JavaScript"));

  assert.equal(String(await blob.downloadToBuffer()), "written by JavaScript");
  const names = [];
  for await (const found of files.listBlobsFlat({ prefix: "javascript/" })) {
    names.push(found.name);
  }
  assert.deepEqual(names, [name]);
  await blob.delete();
});

test("a blob is refused without the role", async (test) => {
  const service = new BlobServiceClient(cloud.storage, await bystander(test));
  const blob = service.getContainerClient("files").getBlockBlobClient("none");

  const refused = { statusCode: 403, code: "AuthorizationPermissionMismatch" };
  await assert.rejects(blob.download(), refused);
});

/** This client takes its proxy as an agent, and from nowhere else. */
function items(aadCredentials) {
  const agent = new HttpsProxyAgent(process.env.HTTPS_PROXY);
  const account = new CosmosClient({ endpoint: cloud.cosmos, aadCredentials, agent });
  return account.database("estate").container("items");
}

test("an item is written, read and found", async () => {
  const container = items(credential);
  const id = randomUUID();
  const item = { id, list: "javascript", title: `Written by JavaScript as ${id}` };

  await container.items.create(item);

  const { resource } = await container.item(id, "javascript").read();
  assert.equal(resource.title, item.title);
  const query = {
    query: "SELECT VALUE c.id FROM c WHERE c.title = @title",
    parameters: [{ name: "@title", value: item.title }],
  };
  const found = await container.items.query(query, { partitionKey: "javascript" }).fetchAll();
  assert.deepEqual(found.resources, [id]);
});

test("an item is refused without the role", async (test) => {
  const container = items(await bystander(test));

  await assert.rejects(container.item("none", "javascript").read(), { code: 403, substatus: 5301 });
});

function bus(credential) {
  return new ServiceBusClient(cloud.bus, credential, {
    customEndpointAddress: `sb://${process.env.SERVICE_BUS_CUSTOM_ENDPOINT}`,
    retryOptions: { maxRetries: 0 },
  });
}

test("a message is sent and received", async () => {
  const client = bus(credential);
  try {
    await client.createSender("javascript").sendMessages({ body: "sent by JavaScript" });

    const receiver = client.createReceiver("javascript");
    const [message] = await receiver.receiveMessages(1, { maxWaitTimeInMs: 20_000 });
    assert.equal(message.body, "sent by JavaScript");
    await receiver.completeMessage(message);
    assert.deepEqual(await receiver.peekMessages(1), []);
  } finally {
    await client.close();
  }
});

test("a message is refused without the role", async (test) => {
  const client = bus(await bystander(test));
  try {
    const sent = client.createSender("javascript").sendMessages({ body: "never sent" });
    await assert.rejects(sent, (error) => {
      assert.equal(error.code, "UnauthorizedAccess");
      assert.match(error.message, /'Send' claim\(s\) are required to perform this operation/);
      return true;
    });
  } finally {
    await client.close();
  }
});
