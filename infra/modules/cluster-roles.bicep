// What is granted once the cluster is there: to its own identities, and to whoever deploys.
param clusterName string
param registryName string
@description('Nodes pull images with it.')
param kubeletPrincipalId string
@description('Container Insights\' own identity; empty where it is off.')
param containerInsightsPrincipalId string
@description('Who deploys; empty for nobody.')
param deployerPrincipalId string
@allowed(['User', 'Group', 'ServicePrincipal'])
param deployerPrincipalType string

var roles = loadJsonContent('../roles.json')

resource cluster 'Microsoft.ContainerService/managedClusters@2026-05-01' existing = {
  name: clusterName
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource pulls 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(registry.id, kubeletPrincipalId, roles.infrastructure.AcrPull.id)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure.AcrPull.id)
    principalId: kubeletPrincipalId
    principalType: 'ServicePrincipal'
    description: 'kubelet: pulls images'
  }
}

resource publishesMetrics 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(containerInsightsPrincipalId)) {
  name: guid(cluster.id, containerInsightsPrincipalId, roles.infrastructure['Monitoring Metrics Publisher'].id)
  scope: cluster
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure['Monitoring Metrics Publisher'].id)
    principalId: containerInsightsPrincipalId
    principalType: 'ServicePrincipal'
    description: 'Container Insights: publishes metrics'
  }
}

resource administers 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deployerPrincipalId)) {
  name: guid(cluster.id, deployerPrincipalId, roles.infrastructure['Azure Kubernetes Service RBAC Cluster Admin'].id)
  scope: cluster
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure['Azure Kubernetes Service RBAC Cluster Admin'].id)
    principalId: deployerPrincipalId
    principalType: deployerPrincipalType
    description: 'deployer: applies the manifests'
  }
}
