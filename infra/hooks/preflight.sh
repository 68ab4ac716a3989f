#!/bin/sh
# What `azd provision` needs, looked at before anything is made: all of it at once, each with what to do about it.
# Nothing is changed.
set -eu

missing=0
lacks() {
  printf 'preflight: %s\n  %s\n' "$1" "$2" >&2
  missing=1
}

for tool in az azd kubectl kubelogin; do
  command -v "$tool" >/dev/null || case $tool in
    az) lacks 'az is not here' 'install the Azure CLI: https://aka.ms/azure-cli' ;;
    azd) lacks 'azd is not here' 'install the Azure Developer CLI: https://aka.ms/azd-install' ;;
    *) lacks "$tool is not here" 'az aks install-cli' ;;
  esac
done
[ "$missing" = 0 ] || exit 1

if [ "${IMAGE_BUILD:-docker}" = docker ] && ! docker buildx version >/dev/null 2>&1; then
  lacks 'the images are built by docker buildx, which is not here' 'install it, or: azd env set IMAGE_BUILD acr'
fi
if [ "${GATEWAY:-false}" = true ] && [ -z "${PUBLIC_HOST:-}" ]; then
  lacks 'GATEWAY is on, and nothing says under which name' 'azd env set PUBLIC_HOST todo.example.com'
fi
if [ "${GATEWAY:-false}" = true ] && [ -z "${DNS_ZONE_ID:-}" ]; then
  lacks 'GATEWAY is on, and nothing says in which DNS zone the name is written' \
    'azd env set DNS_ZONE_ID ..., one of: az network dns zone list --query [].id --output tsv'
fi

# A vault's retention, a pool's zones and its nodes' size, and the tiers of Storage and Service Bus cannot be changed. azd has
# what was deployed, until `azd down`.
unchanged() { # variable, what is asked for, what is deployed
  [ "${3:-$2}" = "$2" ] || lacks "$1 is $3 where this environment runs, and cannot become $2" \
    "azd env set $1 $3; or take an environment of another name: azd env new ..."
}
unchanged PROFILE "${PROFILE:-workshop}" "${DEPLOYED_PROFILE:-}"
unchanged PRIVATE_ENDPOINTS "${PRIVATE_ENDPOINTS:-false}" "${DEPLOYED_PRIVATE_ENDPOINTS:-}"
unchanged NODE_SIZE "${NODE_SIZE:-Standard_D2ds_v5}" "${DEPLOYED_NODE_SIZE:-}"

subscription=${AZURE_SUBSCRIPTION_ID:-}
if [ -z "$subscription" ] && ! subscription=$(az account show --query id --output tsv 2>/dev/null); then
  lacks 'nobody is signed in to the Azure CLI' 'az login'
  exit 1
fi

# What the caller may do here, as Azure itself adds it up, whether by groups or by roles of one's own.
permissions="/subscriptions/$subscription/providers/Microsoft.Authorization/permissions?api-version=2022-04-01"
may_write() { # what of Microsoft.Authorization; how many of the caller's roles allow it
  az rest --method get --query "value[?(contains(actions, 'Microsoft.Authorization/$1/write')
    || contains(actions, 'Microsoft.Authorization/$1/*') || contains(actions, 'Microsoft.Authorization/*')
    || contains(actions, '*')) && !contains(notActions, 'Microsoft.Authorization/*/Write')] | length(@)" \
    --url "$permissions" --output tsv
}
if ! found=$(may_write roleAssignments); then
  lacks "the subscription $subscription cannot be looked at" 'az login, then az account set --subscription ...'
elif [ "$found" = 0 ]; then
  lacks "you may not assign roles in the subscription $subscription, and each identity of the workload needs some" \
    'ask for Owner, or for Role Based Access Control Administrator beside Contributor'
elif [ "${KEDA:-false}" = true ] && [ "$(may_write roleDefinitions)" = 0 ]; then
  lacks "KEDA is on, and you may not make the custom role of its identity in the subscription $subscription" \
    'ask for Owner, or for User Access Administrator beside Contributor; or: azd env set KEDA false'
fi

registered=$(az provider list --subscription "$subscription" --query "[?registrationState=='Registered'].namespace" \
  --output tsv | tr '[:upper:]' '[:lower:]')
for provider in Microsoft.ContainerRegistry Microsoft.ContainerService Microsoft.DocumentDB Microsoft.Insights \
  Microsoft.KeyVault Microsoft.ManagedIdentity Microsoft.Monitor Microsoft.Network Microsoft.OperationalInsights \
  Microsoft.ServiceBus Microsoft.Storage; do
  name=$(printf '%s' "$provider" | tr '[:upper:]' '[:lower:]')
  printf '%s\n' "$registered" | grep -qx "$name" ||
    lacks "the subscription does not know $provider" "az provider register --wait --namespace $provider --subscription $subscription"
done

# The vault's name comes from subscription, environment and region, and a deleted vault keeps its name.
earlier="properties.tags.\"azd-env-name\"=='${AZURE_ENV_NAME:-}'"
[ -z "${AZURE_LOCATION:-}" ] || earlier="$earlier && properties.location=='$AZURE_LOCATION'"
deleted=$(az keyvault list-deleted --subscription "$subscription" --resource-type vault \
  --query "[?$earlier].[name, properties.purgeProtectionEnabled]" --output tsv) || deleted=''
while read -r vault protected; do
  case $vault:$protected in
    :*) ;;
    *:[Tt]rue) lacks "the deleted vault $vault keeps the name, and is protected against purge" \
      'take an environment of another name: azd env new ...' ;;
    *) lacks "the deleted vault $vault of an environment of this name keeps the name" \
      "az keyvault purge --subscription $subscription --name $vault" ;;
  esac
done <<END
$deleted
END
exit "$missing"
