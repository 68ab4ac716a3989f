// The workload's estate. Who may do what comes from access.json, which the local cloud enforces as well: this template
// names no identity, no service account and no role of the workload itself.
targetScope = 'subscription'

@minLength(1)
@maxLength(40)
@description('Of the azd environment: names and tags what is made.')
param environmentName string
@description('The region of everything.')
param location string
@description('Object ID of whoever deploys, who becomes the cluster\'s administrator; empty for nobody.')
param principalId string = ''
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@allowed(['workshop', 'production'])
@description('workshop is small and leaves nothing behind; production is redundant, keeps longer and protects against purge.')
param profile string = 'workshop'
@allowed(['systemAssigned', 'userAssigned', 'preCreatedKubelet'])
@description('The identities of the cluster itself: the control plane\'s, and whether the kubelet\'s is made here or by AKS.')
param clusterIdentities string = 'userAssigned'
@description('The size of a node.')
param nodeSize string = 'Standard_D2ds_v5'
@description('Who may reach the API server: CIDR ranges with commas between them; everybody if it is empty.')
param apiServerRanges string = ''
@description('The four resources under private addresses only. Service Bus has to be Premium for it.')
param privateEndpoints bool = false
@description('Azure Monitor\'s managed Prometheus.')
param prometheus bool = true
@description('The containers\' logs in the workspace, by an add-on with an identity of its own.')
param containerInsights bool = false
@description('Advanced Container Networking Services: NetworkPolicies by host name. Paid for by node.')
param fqdnPolicies bool = false
@description('KEDA for the worker, with the identity of options/keda.json.')
param keda bool = false
@description('Application routing with the Gateway API, with the identity of options/gateway.json. Its certificate has to be in the vault.')
param gateway bool = false
@description('Resource ID of the DNS zone in which the gateway writes its host name; empty without a gateway.')
param dnsZoneId string = ''

var access = loadJsonContent('access.json')
var kedaOption = loadJsonContent('options/keda.json')
var gatewayOption = loadJsonContent('options/gateway.json')

// Whom the template makes is in the access model, and in the files of the options that are on.
var identities = items(union(access.identities, keda ? kedaOption.identities : {}, gateway ? gatewayOption.identities : {}))
var identityNames = map(identities, identity => identity.key)
var grants = concat(access.grants, keda ? kedaOption.grants : [], gateway ? gatewayOption.grants : [])

var production = profile == 'production'
var ownControlPlane = clusterIdentities != 'systemAssigned'
var ownKubelet = clusterIdentities == 'preCreatedKubelet'
var publicNetworkAccess = privateEndpoints ? 'Disabled' : 'Enabled'
var token = uniqueString(subscription().id, environmentName, location)
var tags = {
  'azd-env-name': environmentName
}

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module logs 'modules/log-analytics.bicep' = {
  name: 'log-analytics'
  scope: group
  params: {
    name: 'log-${token}'
    location: location
    tags: tags
    retentionDays: production ? 90 : 30
    dailyCap: production ? -1 : 1
  }
}

module network 'modules/network.bicep' = {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    gateway: gateway
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: 'cr${token}'
    location: location
    tags: tags
    sku: production ? 'Standard' : 'Basic'
    workspaceId: logs.outputs.id
  }
}

// The identities of the access model: early, because it takes a while until all of Azure knows a new one, and roles are
// given to them without waiting for the cluster.

module workloads 'modules/managed-identity.bicep' = [for identity in identities: {
  name: 'identity-${identity.key}'
  scope: group
  params: {
    name: 'id-${identity.key}-${token}'
    location: location
    tags: tags
  }
}]

// The resources of the access model.

module vault 'modules/key-vault.bicep' = {
  name: 'key-vault'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    names: objectKeys(access.resources.vault.secrets)
    publicNetworkAccess: publicNetworkAccess
    retentionDays: production ? 90 : 7
    purgeProtection: production
    workspaceId: logs.outputs.id
  }
}

module cosmos 'modules/cosmos.bicep' = {
  name: 'cosmos'
  scope: group
  params: {
    name: 'cosmos-${token}'
    location: location
    tags: tags
    publicNetworkAccess: publicNetworkAccess
    backupTier: production ? 'Continuous30Days' : 'Continuous7Days'
    workspaceId: logs.outputs.id
  }
}

@batchSize(1)
module databases 'modules/cosmos-database.bicep' = [for database in items(access.resources.cosmos.databases): {
  name: 'cosmos-${database.key}'
  scope: group
  params: {
    accountName: cosmos.outputs.name
    name: database.key
    containers: database.value.containers
  }
}]

module storage 'modules/storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    containers: access.resources.storage.containers
    sku: production ? 'Standard_ZRS' : 'Standard_LRS'
    publicNetworkAccess: publicNetworkAccess
    retentionDays: production ? 30 : 7
    workspaceId: logs.outputs.id
  }
}

module bus 'modules/service-bus.bicep' = {
  name: 'service-bus'
  scope: group
  params: {
    name: 'sb-${token}'
    location: location
    tags: tags
    queues: access.resources.bus.queues
    sku: privateEndpoints ? 'Premium' : 'Standard'
    publicNetworkAccess: publicNetworkAccess
    workspaceId: logs.outputs.id
  }
}

// The cluster, and the identities that it has of its own.

module controlPlane 'modules/managed-identity.bicep' = if (ownControlPlane) {
  name: 'identity-control-plane'
  scope: group
  params: {
    name: 'id-control-plane-${token}'
    location: location
    tags: tags
  }
}

module kubelet 'modules/managed-identity.bicep' = if (ownKubelet) {
  name: 'identity-kubelet'
  scope: group
  params: {
    name: 'id-kubelet-${token}'
    location: location
    tags: tags
  }
}

module prerequisites 'modules/cluster-prerequisites.bicep' = if (ownControlPlane) {
  name: 'cluster-prerequisites'
  scope: group
  params: {
    networkName: network.outputs.networkName
    subnetName: network.outputs.nodeSubnetName
    principalId: ownControlPlane ? controlPlane!.outputs.principalId : ''
    kubeletIdentityName: ownKubelet ? kubelet!.outputs.name : ''
  }
}

module cluster 'modules/cluster.bicep' = {
  name: 'cluster'
  scope: group
  params: {
    name: 'aks-${token}'
    location: location
    tags: tags
    nodeResourceGroup: 'rg-${environmentName}-nodes'
    tier: production ? 'Standard' : 'Free'
    nodeSubnetId: network.outputs.nodeSubnetId
    nodeSize: nodeSize
    nodeZones: production ? ['1', '2', '3'] : []
    minNodes: production ? 3 : 2
    maxNodes: production ? 9 : 4
    // AKS adds the address of a load balancer by itself, and not that of a NAT gateway: nodes would not join.
    apiServerRanges: empty(apiServerRanges) ? [] : concat(split(apiServerRanges, ','), ['${network.outputs.outboundAddress}/32'])
    controlPlaneIdentityId: ownControlPlane ? controlPlane!.outputs.id : ''
    kubeletIdentity: ownKubelet ? {
      resourceId: kubelet!.outputs.id
      clientId: kubelet!.outputs.clientId
      objectId: kubelet!.outputs.principalId
    } : {}
    prometheus: prometheus
    containerInsights: containerInsights
    keda: keda
    gateway: gateway
    azurePolicy: production
    fqdnPolicies: fqdnPolicies
    workspaceId: logs.outputs.id
  }
  dependsOn: [prerequisites]
}

// A system-assigned identity is there only once the cluster is.
module afterwards 'modules/cluster-prerequisites.bicep' = if (!ownControlPlane) {
  name: 'cluster-afterwards'
  scope: group
  params: {
    networkName: network.outputs.networkName
    subnetName: network.outputs.nodeSubnetName
    principalId: cluster.outputs.controlPlanePrincipalId
    kubeletIdentityName: ''
  }
}

module clusterRoles 'modules/cluster-roles.bicep' = {
  name: 'cluster-roles'
  scope: group
  params: {
    clusterName: cluster.outputs.name
    registryName: registry.outputs.name
    kubeletPrincipalId: cluster.outputs.kubeletPrincipalId
    containerInsightsPrincipalId: cluster.outputs.containerInsightsPrincipalId
    deployerPrincipalId: principalId
    deployerPrincipalType: principalType
  }
}

module metrics 'modules/prometheus.bicep' = if (prometheus) {
  name: 'prometheus'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    clusterName: cluster.outputs.name
  }
}

module containers 'modules/container-insights.bicep' = if (containerInsights) {
  name: 'container-insights'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    clusterName: cluster.outputs.name
    workspaceId: logs.outputs.id
  }
}

// The access model: what each identity may do, and whom it trusts.

module roles 'modules/grants.bicep' = {
  name: 'grants'
  scope: group
  params: {
    vaultName: vault.outputs.name
    accountName: cosmos.outputs.name
    storageName: storage.outputs.name
    namespaceName: bus.outputs.name
    grants: grants
    principals: [for (name, i) in identityNames: {
      identity: name
      principalId: workloads[i].outputs.principalId
    }]
  }
  dependsOn: [databases]
}

module trusts 'modules/federated-credentials.bicep' = [for (identity, i) in identities: {
  name: 'trust-${identity.key}'
  scope: group
  params: {
    identityName: workloads[i].outputs.name
    issuer: cluster.outputs.issuer
    serviceAccounts: identity.value.serviceAccounts
    others: any(identity.value).?federatedCredentials ?? []
  }
}]

module zoneRole 'modules/dns-zone-role.bicep' = if (gateway && !empty(dnsZoneId)) {
  name: 'dns-zone-role'
  scope: resourceGroup(empty(dnsZoneId) ? subscription().subscriptionId : split(dnsZoneId, '/')[2], empty(dnsZoneId) ? group.name : split(dnsZoneId, '/')[4])
  params: {
    zoneName: last(split(dnsZoneId, '/'))
    principalId: workloads[max(indexOf(identityNames, 'gateway'), 0)].outputs.principalId
  }
}

// Private addresses, where they are wanted.

module endpoints 'modules/private-endpoints.bicep' = if (privateEndpoints) {
  name: 'private-endpoints'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    vaultId: vault.outputs.id
    cosmosId: cosmos.outputs.id
    storageId: storage.outputs.id
    busId: bus.outputs.id
    networkId: network.outputs.networkId
    subnetId: network.outputs.endpointSubnetId
  }
}

// For azd and the hooks; those of the second part are what k8s/overlays/azure/.env has to hold.

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_AKS_CLUSTER_NAME string = cluster.outputs.name
output AZURE_CONTAINER_REGISTRY_NAME string = registry.outputs.name
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer
@description('What the doctor looks at: name of the access model, name in Azure.')
output IDENTITY_NAMES string = join(map(identityNames, name => '${name}=id-${name}-${token}'), ' ')
output RESOURCE_NAMES string = 'vault=${vault.outputs.name} cosmos=${cosmos.outputs.name} storage=${storage.outputs.name} bus=${bus.outputs.name}'
output PROMETHEUS_QUERY_ENDPOINT string = prometheus ? metrics!.outputs.queryEndpoint : ''

@description('What cannot be changed once it is made: preflight.sh compares it with what is asked for.')
output DEPLOYED_PROFILE string = profile
output DEPLOYED_PRIVATE_ENDPOINTS bool = privateEndpoints
output DEPLOYED_NODE_SIZE string = nodeSize

output AZURE_TENANT_ID string = tenant().tenantId
output FRONTEND_CLIENT_ID string = workloads[indexOf(identityNames, 'frontend')].outputs.clientId
output BACKEND_CLIENT_ID string = workloads[indexOf(identityNames, 'backend')].outputs.clientId
output WORKER_CLIENT_ID string = workloads[indexOf(identityNames, 'worker')].outputs.clientId
output SCALER_CLIENT_ID string = keda ? workloads[max(indexOf(identityNames, 'scaler'), 0)].outputs.clientId : ''
output GATEWAY_CLIENT_ID string = gateway ? workloads[max(indexOf(identityNames, 'gateway'), 0)].outputs.clientId : ''
output KEY_VAULT_URL string = vault.outputs.url
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint
output COSMOS_REGION string = cosmos.outputs.region
output STORAGE_URL string = storage.outputs.url
output SERVICE_BUS_NAMESPACE string = bus.outputs.hostName
output CLUSTER_ISSUER string = cluster.outputs.issuer
output TLS_CERTIFICATE_URL string = gateway ? '${vault.outputs.url}certificates/${split(gatewayOption.grants[0].scope, '/')[2]}' : ''
output DNS_ZONE_ID string = dnsZoneId
