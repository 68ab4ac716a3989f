// Where every resource writes its log. It has no keys either: writers and readers come with Entra ID.
param name string
param location string
param tags object
param retentionDays int
@description('In GB; -1 is no cap.')
param dailyCap int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
    workspaceCapping: {
      dailyQuotaGb: dailyCap
    }
  }
}

output id string = workspace.id
