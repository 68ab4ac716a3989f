// The gateway's identity writes the record of the host name into a zone that is there already.
param zoneName string
param principalId string

var roles = loadJsonContent('../roles.json')

resource zone 'Microsoft.Network/dnsZones@2018-05-01' existing = {
  name: zoneName
}

resource writesRecords 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(zone.id, principalId, roles.infrastructure['DNS Zone Contributor'].id)
  scope: zone
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure['DNS Zone Contributor'].id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'gateway: writes the host name'
  }
}
