// Trust on registered applications in place of managed identities: for whoever needs what only an application has, such
// as several tenants. It is not part of main.bicep, because whoever deploys it needs rights in Microsoft Graph
// (Application.ReadWrite.OwnedBy or more), and a managed identity needs none.
//
// For each identity of the access model it makes an application, its service principal and its federated credentials,
// and gives it the same grants. It goes into the resource group that main.bicep filled.
extension microsoftGraphV1

@description('Makes the applications\' unique names unique in the tenant.')
param environmentName string
@description('CLUSTER_ISSUER of main.bicep.')
param issuer string
param vaultName string
param accountName string
param storageName string
param namespaceName string

var access = loadJsonContent('../access.json')
var identityNames = objectKeys(access.identities)
var trusts = flatten(map(identityNames, name => map(access.identities[name].serviceAccounts, account => {
  identity: name
  account: account
})))

resource applications 'Microsoft.Graph/applications@v1.0' = [for name in identityNames: {
  displayName: 'todolist ${name} (${environmentName})'
  uniqueName: 'todolist-${name}-${environmentName}'
  signInAudience: 'AzureADMyOrg'
}]

@batchSize(1)
resource credentials 'Microsoft.Graph/applications/federatedIdentityCredentials@v1.0' = [for trust in trusts: {
  name: '${applications[indexOf(identityNames, trust.identity)].uniqueName}/${trust.account.namespace}-${trust.account.name}'
  issuer: issuer
  subject: 'system:serviceaccount:${trust.account.namespace}:${trust.account.name}'
  audiences: ['api://AzureADTokenExchange']
}]

resource principals 'Microsoft.Graph/servicePrincipals@v1.0' = [for (name, i) in identityNames: {
  appId: applications[i].appId
}]

module roles '../modules/grants.bicep' = {
  name: 'grants-applications'
  params: {
    vaultName: vaultName
    accountName: accountName
    storageName: storageName
    namespaceName: namespaceName
    grants: access.grants
    principals: [for (name, i) in identityNames: {
      identity: name
      principalId: principals[i].id
    }]
  }
}

@description('Identity to client ID: what the annotations of the service accounts have to say.')
output clientIds array = [for (name, i) in identityNames: {
  identity: name
  clientId: applications[i].appId
}]
