// A registry without an admin user. Nodes pull with the kubelet's identity.
param name string
param location string
param tags object
@allowed(['Basic', 'Standard'])
param sku string
param workspaceId string

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  // checkov:skip=CKV_AZURE_139: whoever deploys pushes from anywhere, with a token and a role; nothing is anonymous
  // checkov:skip=CKV_AZURE_163: images are scanned by Defender for Containers, a plan of the subscription
  // checkov:skip=CKV_AZURE_166: quarantine wants a scanner that releases images; digests are deployed instead
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
  }
  properties: {
    adminUserEnabled: false
    anonymousPullEnabled: false
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: registry
  properties: {
    workspaceId: workspaceId
    logs: [
      {
        category: 'ContainerRegistryLoginEvents'
        enabled: true
      }
      {
        category: 'ContainerRegistryRepositoryEvents'
        enabled: true
      }
    ]
  }
}

output name string = registry.name
output loginServer string = registry.properties.loginServer
