// The cluster's own network. Nodes have no public address: what leaves them goes through the NAT gateway, under one
// address that does not run out of ports.
param location string
param tags object
param token string
@description('Whether the pages are public. AKS opens ports in its own security group alone, and not in that of this subnet.')
param gateway bool

var addressSpace = '10.224.0.0/16'
var nodeRange = '10.224.0.0/20'
var endpointRange = '10.224.16.0/24'

resource address 'Microsoft.Network/publicIPAddresses@2024-07-01' = {
  name: 'pip-nat-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
    tier: 'Regional'
  }
  properties: {
    publicIPAllocationMethod: 'Static'
    publicIPAddressVersion: 'IPv4'
  }
}

resource natGateway 'Microsoft.Network/natGateways@2024-07-01' = {
  name: 'ng-${token}'
  location: location
  tags: tags
  sku: {
    name: 'Standard'
  }
  properties: {
    idleTimeoutInMinutes: 4
    publicIpAddresses: [
      {
        id: address.id
      }
    ]
  }
}

resource nodeRules 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-nodes-${token}'
  location: location
  tags: tags
  properties: {
    // The load balancer keeps the public address as the destination, which nobody knows before it is there.
    securityRules: gateway ? [
      {
        name: 'https-to-gateway'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: 'Internet'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '443'
        }
      }
    ] : []
  }
}

resource endpointRules 'Microsoft.Network/networkSecurityGroups@2024-07-01' = {
  name: 'nsg-endpoints-${token}'
  location: location
  tags: tags
  properties: {
    securityRules: [
      {
        name: 'only-from-nodes'
        properties: {
          priority: 100
          direction: 'Inbound'
          access: 'Allow'
          protocol: 'Tcp'
          sourceAddressPrefix: nodeRange
          sourcePortRange: '*'
          destinationAddressPrefix: endpointRange
          // https, AMQP over TLS, and what the component cosmos-direct uses.
          destinationPortRanges: ['443', '5671', '10250']
        }
      }
      {
        name: 'nothing-else'
        properties: {
          priority: 4096
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
    ]
  }
}

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [addressSpace]
    }
    subnets: [
      {
        name: 'nodes'
        properties: {
          addressPrefix: nodeRange
          natGateway: {
            id: natGateway.id
          }
          networkSecurityGroup: {
            id: nodeRules.id
          }
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: endpointRange
          privateEndpointNetworkPolicies: 'NetworkSecurityGroupEnabled'
          networkSecurityGroup: {
            id: endpointRules.id
          }
        }
      }
    ]
  }
}

resource nodes 'Microsoft.Network/virtualNetworks/subnets@2024-07-01' existing = {
  parent: network
  name: 'nodes'
}

resource endpoints 'Microsoft.Network/virtualNetworks/subnets@2024-07-01' existing = {
  parent: network
  name: 'endpoints'
}

@description('Under which nodes reach everything outside, the API server too.')
output outboundAddress string = address.properties.ipAddress
output networkId string = network.id
output networkName string = network.name
output nodeSubnetName string = nodes.name
output nodeSubnetId string = nodes.id
output endpointSubnetId string = endpoints.id
