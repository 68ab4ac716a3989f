// Grants of the access model at queues: bus/queues/<queue>. A custom role that a grant names is defined here, in the
// resource group alone.
import { grant, principal } from 'types.bicep'

param namespaceName string
param grants grant[]
param principals principal[]

var roles = loadJsonContent('../roles.json')
var principalIds = toObject(principals, one => one.identity, one => one.principalId)
var named = map(grants, one => one.role)
var customRoles = filter(items(roles.custom), role => contains(named, role.key))
// A custom role's name is unique in a tenant, so it carries the environment's.
var customIds = toObject(customRoles, role => role.key, role => guid(resourceGroup().id, role.key))

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource queues 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' existing = [for one in grants: {
  parent: namespace
  name: split(one.scope, '/')[2]
}]

resource definitions 'Microsoft.Authorization/roleDefinitions@2022-04-01' = [for role in customRoles: {
  name: customIds[role.key]
  properties: {
    roleName: '${role.key} (${namespaceName})'
    description: 'infra/roles.json'
    type: 'CustomRole'
    permissions: [
      {
        actions: role.value.actions
        notActions: []
        dataActions: role.value.dataActions
        notDataActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}]

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for (one, i) in grants: {
  name: guid(queues[i].id, principalIds[one.identity], one.role)
  scope: queues[i]
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', contains(roles.azure, one.role) ? roles.azure[one.role].id : customIds[one.role])
    principalId: principalIds[one.identity]
    principalType: 'ServicePrincipal'
    description: '${one.identity}: ${one.scope}'
  }
  dependsOn: [definitions]
}]
