// Grants of the access model at blob containers: storage/containers/<container>.
import { grant, principal } from 'types.bicep'

param accountName string
param grants grant[]
param principals principal[]

var roles = loadJsonContent('../roles.json')
var principalIds = toObject(principals, one => one.identity, one => one.principalId)

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: accountName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' existing = {
  parent: account
  name: 'default'
}

resource containers 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' existing = [for one in grants: {
  parent: blobs
  name: split(one.scope, '/')[2]
}]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (one, i) in grants: {
  name: guid(containers[i].id, principalIds[one.identity], roles.azure[one.role].id)
  scope: containers[i]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azure[one.role].id)
    principalId: principalIds[one.identity]
    principalType: 'ServicePrincipal'
    description: '${one.identity}: ${one.scope}'
  }
}]
