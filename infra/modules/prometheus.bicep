// Azure Monitor's managed Prometheus: an account that stores the cluster's metrics, and the rule that sends them there.
param location string
param tags object
param token string
param clusterName string

resource cluster 'Microsoft.ContainerService/managedClusters@2026-05-01' existing = {
  name: clusterName
}

resource account 'Microsoft.Monitor/accounts@2023-04-03' = {
  name: 'amw-${token}'
  location: location
  tags: tags
}

resource endpoint 'Microsoft.Insights/dataCollectionEndpoints@2024-03-11' = {
  name: 'dce-prometheus-${token}'
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    networkAcls: {
      publicNetworkAccess: 'Enabled'
    }
  }
}

resource rule 'Microsoft.Insights/dataCollectionRules@2024-03-11' = {
  name: 'dcr-prometheus-${token}'
  location: location
  tags: tags
  kind: 'Linux'
  properties: {
    dataCollectionEndpointId: endpoint.id
    dataSources: {
      prometheusForwarder: [
        {
          name: 'prometheus'
          streams: ['Microsoft-PrometheusMetrics']
          labelIncludeFilter: {}
        }
      ]
    }
    destinations: {
      monitoringAccounts: [
        {
          name: 'account'
          accountResourceId: account.id
        }
      ]
    }
    dataFlows: [
      {
        streams: ['Microsoft-PrometheusMetrics']
        destinations: ['account']
      }
    ]
  }
}

resource association 'Microsoft.Insights/dataCollectionRuleAssociations@2024-03-11' = {
  name: 'prometheus'
  scope: cluster
  properties: {
    dataCollectionRuleId: rule.id
  }
}

output queryEndpoint string = account.properties.metrics.prometheusQueryEndpoint
