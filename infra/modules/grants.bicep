// Every grant of the access model, at the narrowest scope that Azure has for it. Each scope has one of four forms; a
// test compares them with the model, so that no grant is left out here.
import { grant, principal } from 'types.bicep'

param vaultName string
param accountName string
param storageName string
param namespaceName string
param grants grant[]
param principals principal[]

module vault 'grant-key-vault.bicep' = {
  name: 'grants-key-vault'
  params: {
    vaultName: vaultName
    grants: filter(grants, one => startsWith(one.scope, 'vault/secrets/'))
    principals: principals
  }
}

module cosmos 'grant-cosmos.bicep' = {
  name: 'grants-cosmos'
  params: {
    accountName: accountName
    grants: filter(grants, one => startsWith(one.scope, 'cosmos/databases/'))
    principals: principals
  }
}

module storage 'grant-storage.bicep' = {
  name: 'grants-storage'
  params: {
    accountName: storageName
    grants: filter(grants, one => startsWith(one.scope, 'storage/containers/'))
    principals: principals
  }
}

module bus 'grant-service-bus.bicep' = {
  name: 'grants-service-bus'
  params: {
    namespaceName: namespaceName
    grants: filter(grants, one => startsWith(one.scope, 'bus/queues/'))
    principals: principals
  }
}
