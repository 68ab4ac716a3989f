// Grants of the access model at secrets: vault/secrets/<secret>.
import { grant, principal } from 'types.bicep'

param vaultName string
param grants grant[]
param principals principal[]

var roles = loadJsonContent('../roles.json')
var principalIds = toObject(principals, one => one.identity, one => one.principalId)

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

resource secrets 'Microsoft.KeyVault/vaults/secrets@2024-11-01' existing = [for one in grants: {
  parent: vault
  name: split(one.scope, '/')[2]
}]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (one, i) in grants: {
  name: guid(secrets[i].id, principalIds[one.identity], roles.azure[one.role].id)
  scope: secrets[i]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.azure[one.role].id)
    principalId: principalIds[one.identity]
    // Said so that Azure does not look the identity up before every region knows it.
    principalType: 'ServicePrincipal'
    description: '${one.identity}: ${one.scope}'
  }
}]
