#!/bin/sh
# After `azd provision`: builds and pushes the images, writes what Bicep put out where the overlay reads it, applies the
# manifests and waits until they run. Again: azd hooks run postprovision.
#
# IMAGE_BUILD  docker (default): this machine builds, with buildx; acr: the registry does
# K8S_OVERLAY  what is applied; k8s/overlays/azure by default
set -eu
cd "$(dirname "$0")/../.."

# Outputs of main.bicep that k8s/overlays/azure reads from its .env. None of them is a secret.
ALWAYS='AZURE_TENANT_ID FRONTEND_CLIENT_ID BACKEND_CLIENT_ID WORKER_CLIENT_ID KEY_VAULT_URL
  COSMOS_ENDPOINT COSMOS_REGION STORAGE_URL SERVICE_BUS_NAMESPACE CLUSTER_ISSUER'
WITH_OPTIONS='SCALER_CLIENT_ID GATEWAY_CLIENT_ID TLS_CERTIFICATE_URL DNS_ZONE_ID'

fail() {
  printf 'deploy: %s\n' "$1" >&2
  exit 1
}
values=$(azd env get-values) || fail 'azd knows no environment here; run azd up first'
value() { printf '%s\n' "$values" | sed -n "s/^$1=\"\(.*\)\"\$/\1/p"; }
needed() {
  found=$(value "$1")
  [ -n "$found" ] || fail "the deployment did not put out $1; run azd provision"
  printf '%s' "$found"
}

overlay=${K8S_OVERLAY:-k8s/overlays/azure}
# azd's, which need not be the one that is the default of the Azure CLI.
subscription=$(needed AZURE_SUBSCRIPTION_ID)
group=$(needed AZURE_RESOURCE_GROUP)
cluster=$(needed AZURE_AKS_CLUSTER_NAME)
registry=$(needed AZURE_CONTAINER_REGISTRY_NAME)
server=$(needed AZURE_CONTAINER_REGISTRY_ENDPOINT)

# A tag names a build, and what runs is named by its digest.
tag=$(git rev-parse --short HEAD 2>/dev/null || date -u +%Y%m%d%H%M%S)
case ${IMAGE_BUILD:-docker} in
  docker)
    az acr login --subscription "$subscription" --name "$registry"
    for name in frontend backend; do
      docker buildx build --platform linux/amd64 --push --tag "$server/todolist-$name:$tag" --target "$name" .
    done
    ;;
  acr)
    az acr run --subscription "$subscription" --registry "$registry" --file infra/hooks/images.yaml \
      --set "tag=$tag" --timeout 7200 .
    ;;
  *) fail "IMAGE_BUILD is $IMAGE_BUILD, and has to be docker or acr" ;;
esac
image() { # name
  digest=$(az acr repository show --subscription "$subscription" --name "$registry" --image "todolist-$1:$tag" \
    --query digest --output tsv)
  printf '%s/todolist-%s@%s' "$server" "$1" "$digest"
}
frontend=$(image frontend)
backend=$(image backend)

# All of it, or nothing: a file that is half written would be applied.
fresh=$(mktemp "$overlay/.env.XXXXXX")
trap 'rm -f "$fresh"' EXIT
{
  for key in $ALWAYS; do
    found=$(needed "$key")
    printf '%s=%s\n' "$key" "$found"
  done
  for key in $WITH_OPTIONS; do
    found=$(value "$key")
    [ -z "$found" ] || printf '%s=%s\n' "$key" "$found"
  done
  host=$(value PUBLIC_HOST)
  [ -z "$host" ] || printf 'PUBLIC_HOST=%s\nPUBLIC_ORIGIN=https://%s\n' "$host" "$host"
  printf 'FRONTEND_IMAGE=%s\nBACKEND_IMAGE=%s\n' "$frontend" "$backend"
} >"$fresh"
mv "$fresh" "$overlay/.env"

# Where `cargo doctor --live` looks.
environment=$(needed AZURE_ENV_NAME)
home=$PWD/.azure/$environment
mkdir -p "$home"
members() { # name=value ...
  for pair in "$@"; do printf '"%s": "%s"\n' "${pair%%=*}" "${pair#*=}"; done | paste -s -d , -
}
identities=$(needed IDENTITY_NAMES)
resources=$(needed RESOURCE_NAMES)
# shellcheck disable=SC2086 # they are several words
printf '{ "resourceGroup": "%s", "cluster": "%s",\n  "identities": { %s },\n  "resources": { %s } }\n' \
  "$group" "$cluster" "$(members $identities)" "$(members $resources)" >"$home/environment.json"

# Signs in as whoever is signed in to the Azure CLI; your own kubeconfig is left alone.
export KUBECONFIG="$home/kubeconfig"
az aks get-credentials --subscription "$subscription" --resource-group "$group" --name "$cluster" \
  --file "$KUBECONFIG" --overwrite-existing >&2
kubelogin convert-kubeconfig --login azurecli

# A role that was just assigned takes a while to be known everywhere.
tries=60
until kubectl auth can-i create namespaces --all-namespaces >/dev/null 2>&1; do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || fail 'after 5 minutes you still may not make a namespace: is AZURE_PRINCIPAL_ID yours?'
  sleep 5
done
applied=$(kubectl apply --kustomize "$overlay")
printf '%s\n' "$applied"
# Pods read their ConfigMaps when they start. Where only these are new, as with the component workshop, nothing else would
# start them again.
became() { printf '%s\n' "$applied" | grep -Eq "^$1\$"; }
if became 'configmap/.* (created|configured)' && became 'deployment\.apps/.* (configured|unchanged)'; then
  kubectl --namespace todolist rollout restart deployment
fi
for deployment in backend worker frontend; do
  kubectl --namespace todolist rollout status "deployment/$deployment" --timeout 10m
done

printf '\nIt runs, and nobody outside of the cluster reaches it. To look at it:\n\n'
printf '  KUBECONFIG=%s kubectl --namespace todolist port-forward service/frontend 8080\n\n' "$KUBECONFIG"
printf 'and open http://localhost:8080. To see the six prerequisites, each as it is on Azure:\n\n'
printf '  KUBECONFIG=%s cargo doctor --live .azure/%s/environment.json\n' "$KUBECONFIG" "$environment"
