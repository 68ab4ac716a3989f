// The four resources under private addresses of the cluster's network, and names that lead there: clients change nothing.
param location string
param tags object
param token string
param vaultId string
param cosmosId string
param storageId string
param busId string
param networkId string
param subnetId string

// A resource, the part of it that is reached in Private Link's words, and the zone that leads there.
var links = [
  {
    name: 'vault'
    resourceId: vaultId
    part: 'vault'
    zone: 'privatelink.vaultcore.azure.net'
  }
  {
    name: 'cosmos'
    resourceId: cosmosId
    part: 'Sql'
    zone: 'privatelink.documents.azure.com'
  }
  {
    name: 'storage'
    resourceId: storageId
    part: 'blob'
    zone: 'privatelink.blob.${environment().suffixes.storage}'
  }
  {
    name: 'bus'
    resourceId: busId
    part: 'namespace'
    zone: 'privatelink.servicebus.windows.net'
  }
]

resource zones 'Microsoft.Network/privateDnsZones@2024-06-01' = [for link in links: {
  name: link.zone
  location: 'global'
  tags: tags
}]

resource zoneLinks 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (link, i) in links: {
  parent: zones[i]
  name: 'cluster'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [for link in links: {
  name: 'pe-${link.name}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: link.name
        properties: {
          privateLinkServiceId: link.resourceId
          groupIds: [link.part]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (link, i) in links: {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: link.name
        properties: {
          privateDnsZoneId: zones[i].id
        }
      }
    ]
  }
}]
