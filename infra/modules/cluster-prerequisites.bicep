// What has to be granted before the cluster is made: its control plane joins nodes to the subnet, and gives them the
// kubelet identity that was made for them.
param networkName string
param subnetName string
@description('Of the control plane\'s identity.')
param principalId string
@description('The pre-created kubelet identity; empty where AKS makes one.')
param kubeletIdentityName string

var roles = loadJsonContent('../roles.json')

resource network 'Microsoft.Network/virtualNetworks@2024-07-01' existing = {
  name: networkName
}

resource subnet 'Microsoft.Network/virtualNetworks/subnets@2024-07-01' existing = {
  parent: network
  name: subnetName
}

resource kubelet 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = if (!empty(kubeletIdentityName)) {
  // Azure looks at names and scopes even where the condition does not hold.
  name: empty(kubeletIdentityName) ? 'none' : kubeletIdentityName
}

resource joinsSubnet 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subnet.id, principalId, roles.infrastructure['Network Contributor'].id)
  scope: subnet
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure['Network Contributor'].id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'control plane: nodes and load balancers in the subnet'
  }
}

resource assignsKubelet 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(kubeletIdentityName)) {
  name: guid(kubelet.id, principalId, roles.infrastructure['Managed Identity Operator'].id)
  scope: kubelet
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.infrastructure['Managed Identity Operator'].id)
    principalId: principalId
    principalType: 'ServicePrincipal'
    description: 'control plane: gives nodes the kubelet identity'
  }
}
