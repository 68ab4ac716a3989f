// A namespace without SAS keys: links are let in by Entra ID. Queues have the options that the access model gives them,
// in Service Bus' own words.
param name string
param location string
param tags object
@description('Queue to its properties.')
param queues object
@allowed(['Standard', 'Premium'])
@description('Standard, or Premium where a private endpoint is wanted.')
param sku string
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string
param workspaceId string

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: sku == 'Premium' ? 1 : null
  }
  properties: {
    disableLocalAuth: true
    minimumTlsVersion: '1.2'
    publicNetworkAccess: publicNetworkAccess
  }
}

resource entities 'Microsoft.ServiceBus/namespaces/queues@2024-01-01' = [for queue in items(queues): {
  parent: namespace
  name: queue.key
  properties: queue.value
}]

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: namespace
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    // Who sent and received what is in the second; a Standard namespace writes none.
    logs: sku == 'Premium' ? [
      {
        category: 'OperationalLogs'
        enabled: true
      }
      {
        category: 'RuntimeAuditLogs'
        enabled: true
      }
    ] : [
      {
        category: 'OperationalLogs'
        enabled: true
      }
    ]
  }
}

output id string = namespace.id
output name string = namespace.name
@description('The host name: what AMQP connects to.')
output hostName string = split(replace(namespace.properties.serviceBusEndpoint, 'https://', ''), ':')[0]
