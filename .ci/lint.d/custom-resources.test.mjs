// Each mistake is found, and what is right is not. Run by .ci/lint.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { problems } from './custom-resources.mjs';

const GATEWAY = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: g }
spec:
  gatewayClassName: c
  listeners: [{ name: https, port: 443, protocol: HTTPS }]
`;
const ROUTE = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: r }
spec:
  rules: [{ backendRefs: [{ name: frontend, port: 8080 }] }]
`;
const SCALED = `
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata: { name: s }
spec:
  scaleTargetRef: { name: worker }
  triggers: [{ type: azure-servicebus, metadata: { queueName: q } }]
`;
const AUTHENTICATION = `
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: { name: t }
spec: { podIdentity: { provider: azure-workload, identityId: i } }
`;
const CILIUM = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: c, namespace: n }
spec:
  endpointSelector: { matchLabels: { a: b } }
  egress: [{ toFQDNs: [{ matchName: a.example }], toPorts: [{ ports: [{ port: "443", protocol: TCP }] }] }]
`;
const ASKED = `
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: { name: c, namespace: n }
spec:
  endpointSelector: { matchLabels: { a: b } }
  egress:
    - toEndpoints: [{ matchLabels: { k8s-app: kube-dns } }]
      toPorts: [{ ports: [{ port: "53", protocol: ANY }], rules: { dns: [{ matchPattern: "*.a.example" }] } }]
`;
const DNS = `
apiVersion: approuting.kubernetes.azure.com/v1alpha1
kind: ClusterExternalDNS
metadata: { name: d }
spec:
  resourceName: d
  resourceNamespace: n
  dnsZoneResourceIDs: [/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/dnszones/example.com]
  resourceTypes: [gateway]
  identity: { type: workloadIdentity, serviceAccount: a }
`;

test('what is right has no problem', () => {
  for (const text of [GATEWAY, ROUTE, SCALED, AUTHENTICATION, CILIUM, ASKED, DNS]) assert.deepEqual(problems(text), []);
  assert.deepEqual(problems('apiVersion: v1\nkind: Secret\n'), [], 'Kubernetes itself is looked at elsewhere');
});

for (const [what, text, from, to] of [
  ['a port that is no number', GATEWAY, 'port: 443', 'port: https'],
  ['a listener without its port', GATEWAY, 'port: 443, ', ''],
  ['an unknown field of a route', ROUTE, 'rules:', 'ruls:'],
  ['a setting that the scaler does not know', SCALED, 'queueName', 'queue'],
  ['a port out of range', ROUTE, '8080', '80800'],
  ['a scaler without a target', SCALED, 'scaleTargetRef: { name: worker }', 'scaleTargetRef: {}'],
  ['an identity of another type', AUTHENTICATION, 'identityId: i', 'identityId: 5'],
  ['a name that Cilium does not know', CILIUM, 'toFQDNs', 'toFQDN'],
  ['a URL in place of a name', CILIUM, 'a.example', 'https://a.example/'],
  ['a port that is a number for Cilium', CILIUM, '"443"', '443'],
  ['a question for any name, which AKS refuses', ASKED, '*.a.example', '*'],
  ['a zone that is no resource id', DNS, '/subscriptions/s', ''],
  ['an identity that is no workload identity', DNS, 'workloadIdentity', 'managedIdentity'],
  ['a kind without a schema', SCALED, 'kind: ScaledObject', 'kind: ScaledThing'],
]) {
  test(`${what} is found`, () => {
    assert.ok(text.includes(from));
    assert.equal(problems(text.replace(from, to)).length > 0, true);
  });
}
