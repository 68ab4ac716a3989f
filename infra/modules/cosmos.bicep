// An account for NoSQL without keys: requests are let in by Entra ID and the account's own role assignments.
param name string
param location string
param tags object
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string
@allowed(['Continuous7Days', 'Continuous30Days'])
param backupTier string
param workspaceId string

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  // checkov:skip=CKV_AZURE_99: closed with the option privateEndpoints; else every request needs a token and a role
  // checkov:skip=CKV_AZURE_101: closed with the option privateEndpoints; else every request needs a token and a role
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: [
      {
        name: 'EnableServerless'
      }
    ]
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: false
      }
    ]
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: publicNetworkAccess
    networkAclBypass: 'None'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: backupTier
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: account
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'DataPlaneRequests'
        enabled: true
      }
      {
        category: 'ControlPlaneRequests'
        enabled: true
      }
    ]
  }
}

output id string = account.id
output name string = account.name
output endpoint string = replace(account.properties.documentEndpoint, ':443', '')
@description('As the account names it, such as East US: what a client is told to prefer.')
output region string = account.properties.locations[0].locationName
