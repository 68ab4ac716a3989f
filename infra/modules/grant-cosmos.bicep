// Grants of the access model at containers: cosmos/databases/<database>/containers/<container>. Cosmos DB has a role
// system of its own: an Azure role lets nobody read an item.
import { grant, principal } from 'types.bicep'

param accountName string
param grants grant[]
param principals principal[]

var roles = loadJsonContent('../roles.json')
var principalIds = toObject(principals, one => one.identity, one => one.principalId)

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

// One after another: each write locks the whole account, and a second one at the same time fails.
@batchSize(1)
resource assignments 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [for one in grants: {
  parent: account
  name: guid(account.id, principalIds[one.identity], one.role, one.scope)
  properties: {
    roleDefinitionId: '${account.id}/sqlRoleDefinitions/${roles.cosmos[one.role].id}'
    principalId: principalIds[one.identity]
    // The data plane's own words: dbs and colls.
    scope: '${account.id}/dbs/${split(one.scope, '/')[2]}/colls/${split(one.scope, '/')[4]}'
  }
}]
