// Checks the custom resources among rendered manifests: those of KEDA and of the
// Gateway API against the schemas of @kubernetes-models, which come from the
// projects' own definitions; those of Cilium and of AKS' application routing against
// the small ones beside this file. What Kubernetes itself defines is left to
// kubernetes-validate. A kind that nobody has a schema for is a problem.
//
// The schemas of @kubernetes-models let unknown fields pass, and an API server drops
// them with a warning. So the fields that we use are listed, and no other is known.
//
//   node custom-resources.mjs FILE...

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import Ajv from 'ajv/dist/2020.js';
import { Gateway, HTTPRoute } from '@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1';
import { ScaledObject, TriggerAuthentication } from '@kubernetes-models/keda/keda.sh/v1alpha1';
import { parseAllDocuments } from 'yaml';

const own = (file) => JSON.parse(readFileSync(new URL(`schemas/${file}`, import.meta.url), 'utf8'));
const ajv = new Ajv({ allErrors: true });

const METADATA = ['metadata.name', 'metadata.namespace', 'metadata.labels.*', 'metadata.annotations.*'];

/** The paths of all values in a document; `[]` stands for each item of a list. */
function paths(value, path = '') {
  if (Array.isArray(value)) return value.flatMap((item) => paths(item, `${path}[]`));
  if (value === null || typeof value !== 'object') return [path];
  return Object.entries(value).flatMap(([name, member]) => paths(member, path ? `${path}.${name}` : name));
}

const byModel = (Model, spec) => {
  const known = ['apiVersion', 'kind', ...METADATA, ...spec.map((field) => `spec.${field}`)];
  const isKnown = (path) =>
    known.some((field) => (field.endsWith('.*') ? path.startsWith(field.slice(0, -1)) : path === field));
  return (document) => {
    const unknown = paths(document).filter((path) => !isKnown(path));
    try {
      new Model(document).validate();
    } catch (error) {
      return [error.message];
    }
    return unknown.map((path) => `the field ${path} is not among those that are known here`);
  };
};
const bySchema = (schema) => {
  const validate = ajv.compile(schema);
  return (document) =>
    validate(document) ? [] : validate.errors.map((error) => `${error.instancePath} ${error.message}`);
};

const CHECKS = {
  'approuting.kubernetes.azure.com/v1alpha1/ClusterExternalDNS': bySchema(own('approuting.json').ClusterExternalDNS),
  'cilium.io/v2/CiliumNetworkPolicy': bySchema(own('cilium.json').CiliumNetworkPolicy),
  'gateway.networking.k8s.io/v1/Gateway': byModel(Gateway, [
    'gatewayClassName', 'listeners[].name', 'listeners[].hostname', 'listeners[].port', 'listeners[].protocol',
    'listeners[].tls.mode', 'listeners[].tls.options.*', 'listeners[].allowedRoutes.namespaces.from',
    'listeners[].allowedRoutes.namespaces.selector.matchLabels.*',
  ]),
  'gateway.networking.k8s.io/v1/HTTPRoute': byModel(HTTPRoute, [
    'parentRefs[].name', 'parentRefs[].namespace', 'parentRefs[].sectionName', 'hostnames[]',
    'rules[].backendRefs[].name', 'rules[].backendRefs[].port',
  ]),
  'keda.sh/v1alpha1/ScaledObject': byModel(ScaledObject, [
    'scaleTargetRef.name', 'minReplicaCount', 'maxReplicaCount', 'triggers[].type',
    // https://keda.sh/docs/2.18/scalers/azure-service-bus/
    'triggers[].metadata.namespace', 'triggers[].metadata.queueName', 'triggers[].metadata.messageCount',
    'triggers[].authenticationRef.name',
  ]),
  'keda.sh/v1alpha1/TriggerAuthentication': byModel(TriggerAuthentication, ['podIdentity.provider', 'podIdentity.identityId']),
};

// The API groups of Kubernetes itself that kubernetes-validate knows.
const BUILT_IN = new Set([
  '', 'apps', 'autoscaling', 'batch', 'networking.k8s.io', 'policy', 'rbac.authorization.k8s.io', 'scheduling.k8s.io',
]);

/** What is wrong with the custom resources of a text: [] or sentences. */
export function problems(text) {
  return parseAllDocuments(text).flatMap((parsed) => {
    const document = parsed.toJS() ?? {};
    const { apiVersion = '', kind = '', metadata = {} } = document;
    const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : '';
    if (BUILT_IN.has(group)) return [];
    const check = CHECKS[`${apiVersion}/${kind}`];
    if (!check) return [`there is no schema for ${kind} of ${apiVersion}`];
    return check(document).map((problem) => `${kind} ${metadata.name}: ${problem}`);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const found = process.argv.slice(2).flatMap((file) =>
    problems(readFileSync(file, 'utf8')).map((problem) => `${file}: ${problem}`));
  for (const problem of found) console.error(problem);
  process.exit(found.length ? 1 : 0);
}
