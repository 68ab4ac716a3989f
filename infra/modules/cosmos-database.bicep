// One database and its containers, with the partition keys of the access model.
param accountName string
param name string
@description('Container to { partitionKey }.')
param containers object

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: name
  properties: {
    resource: {
      id: name
    }
  }
}

// One after another: the account takes one change at a time.
@batchSize(1)
resource collections 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for container in items(containers): {
  parent: database
  name: container.key
  properties: {
    resource: {
      id: container.key
      partitionKey: {
        kind: 'Hash'
        paths: [container.value.partitionKey]
        // Hashes more than the first 100 bytes of a key; cannot be changed afterwards.
        version: 2
      }
    }
  }
}]
