// A vault without access policies: who may read a secret is said by role assignments alone.
param name string
param location string
param tags object
@description('Names of secrets, each made once.')
param names array
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string
param retentionDays int
@description('Purge protection cannot be taken back, and the vault\'s name stays taken until the retention is over.')
param purgeProtection bool
param workspaceId string

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  // checkov:skip=CKV_AZURE_42: purge protection is a matter of the profile
  // checkov:skip=CKV_AZURE_110: purge protection is a matter of the profile
  // checkov:skip=CKV_AZURE_109: closed with the option privateEndpoints; else every request needs a token and a role
  // checkov:skip=CKV_AZURE_189: closed with the option privateEndpoints; else every request needs a token and a role
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    enableSoftDelete: true
    softDeleteRetentionInDays: retentionDays
    // The service refuses false: it is on, or nothing is said of it.
    enablePurgeProtection: purgeProtection ? true : null
    publicNetworkAccess: publicNetworkAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: publicNetworkAccess == 'Enabled' ? 'Allow' : 'Deny'
    }
  }
}

module values 'secret.bicep' = [for each in names: {
  name: 'secret-${each}'
  params: {
    vaultName: vault.name
    name: each
  }
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: vault
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'AuditEvent'
        enabled: true
      }
    ]
  }
}

output id string = vault.id
output name string = vault.name
output url string = vault.properties.vaultUri
