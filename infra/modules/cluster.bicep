// The AKS cluster: it issues the tokens that Entra ID trusts, and publishes the keys for them. Nobody signs in with a
// local account, and Kubernetes' permissions are Azure role assignments too.
param name string
param location string
param tags object
param nodeResourceGroup string
@description('Standard has an uptime agreement; Free has none.')
@allowed(['Free', 'Standard'])
param tier string
param nodeSubnetId string
param nodeSize string
param nodeZones array
param minNodes int
param maxNodes int
@description('Who may reach the API server, in CIDR notation; everybody if it is empty.')
param apiServerRanges array
@description('Resource ID of the control plane\'s identity; empty for a system-assigned one.')
param controlPlaneIdentityId string
@description('Of the pre-created kubelet identity: { resourceId, clientId, objectId }; empty where AKS makes one.')
param kubeletIdentity object
param prometheus bool
param containerInsights bool
param keda bool
param gateway bool
param azurePolicy bool
@description('Advanced Container Networking Services: policies by host name. Paid for by node.')
param fqdnPolicies bool
param workspaceId string

var systemAssigned = {
  type: 'SystemAssigned'
}
var userAssigned = {
  type: 'UserAssigned'
  userAssignedIdentities: {
    '${controlPlaneIdentityId}': {}
  }
}

resource cluster 'Microsoft.ContainerService/managedClusters@2026-05-01' = {
  // checkov:skip=CKV_AZURE_8: AKS has no dashboard add-on any more
  // checkov:skip=CKV_AZURE_172: rotation is on whenever the driver is
  // checkov:skip=CKV_AZURE_227: encryption at host is a feature that the subscription has to register first
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Base'
    tier: tier
  }
  identity: empty(controlPlaneIdentityId) ? systemAssigned : userAssigned
  properties: {
    dnsPrefix: name
    nodeResourceGroup: nodeResourceGroup
    enableRBAC: true
    disableLocalAccounts: true
    aadProfile: {
      managed: true
      enableAzureRBAC: true
      tenantID: tenant().tenantId
    }
    oidcIssuerProfile: {
      enabled: true
    }
    securityProfile: {
      workloadIdentity: {
        enabled: true
      }
      imageCleaner: {
        enabled: true
        intervalHours: 168
      }
    }
    apiServerAccessProfile: {
      authorizedIPRanges: apiServerRanges
    }
    identityProfile: empty(kubeletIdentity) ? null : {
      kubeletidentity: kubeletIdentity
    }
    networkProfile: {
      networkPlugin: 'azure'
      networkPluginMode: 'overlay'
      // Cilium enforces NetworkPolicies; without it they are accepted and do nothing.
      networkDataplane: 'cilium'
      networkPolicy: 'cilium'
      outboundType: 'userAssignedNATGateway'
      loadBalancerSku: 'standard'
      podCidr: '10.244.0.0/16'
      serviceCidr: '10.0.0.0/16'
      dnsServiceIP: '10.0.0.10'
      advancedNetworking: fqdnPolicies ? {
        enabled: true
        observability: {
          enabled: true
        }
        security: {
          enabled: true
          advancedNetworkPolicies: 'FQDN'
        }
      } : null
    }
    agentPoolProfiles: [
      {
        name: 'system'
        mode: 'System'
        type: 'VirtualMachineScaleSets'
        osType: 'Linux'
        osSKU: 'AzureLinux'
        vmSize: nodeSize
        vnetSubnetID: nodeSubnetId
        availabilityZones: nodeZones
        enableAutoScaling: true
        // What the pool begins with: without it, it would be one, and AKS wants it between the two. Should a later deployment
        // bring the pool back to it, the autoscaler adds what is wanted.
        count: minNodes
        minCount: minNodes
        maxCount: maxNodes
        maxPods: 110
        // On the node's own disk: nothing of a node outlives it.
        osDiskType: 'Ephemeral'
        osDiskSizeGB: 64
        // From Kubernetes 1.37 on AKS would switch it on by itself, and the NetworkPolicy `dns` lets pods ask nobody but
        // those of kube-dns.
        localDNSProfile: {
          mode: 'Disabled'
        }
        upgradeSettings: {
          maxSurge: '33%'
        }
      }
    ]
    autoUpgradeProfile: {
      upgradeChannel: 'stable'
      nodeOSUpgradeChannel: 'NodeImage'
    }
    addonProfiles: {
      omsagent: {
        enabled: containerInsights
        config: containerInsights ? {
          logAnalyticsWorkspaceResourceID: workspaceId
          useAADAuth: 'true'
        } : null
      }
      // The gateway's certificate comes from Key Vault by the Secrets Store driver.
      azureKeyvaultSecretsProvider: {
        enabled: gateway
        config: gateway ? {
          enableSecretRotation: 'true'
          rotationPollInterval: '2m'
        } : null
      }
      azurepolicy: {
        enabled: azurePolicy
      }
    }
    azureMonitorProfile: {
      metrics: {
        enabled: prometheus
      }
    }
    ingressProfile: gateway ? {
      gatewayAPI: {
        installation: 'Standard'
      }
      webAppRouting: {
        enabled: true
        nginx: {
          defaultIngressControllerType: 'None'
        }
        gatewayAPIImplementations: {
          appRoutingIstio: {
            mode: 'Enabled'
          }
        }
      }
    } : null
    workloadAutoScalerProfile: {
      keda: {
        enabled: keda
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'audit'
  scope: cluster
  properties: {
    workspaceId: workspaceId
    logAnalyticsDestinationType: 'Dedicated'
    logs: [
      {
        category: 'kube-audit-admin'
        enabled: true
      }
      {
        category: 'guard'
        enabled: true
      }
    ]
  }
}

output id string = cluster.id
output name string = cluster.name
@description('With its slash at the end: tokens and federated credentials have it so.')
output issuer string = cluster.properties.oidcIssuerProfile.issuerURL
output kubeletPrincipalId string = cluster.properties.identityProfile.kubeletidentity.objectId
@description('Empty where the control plane has a user-assigned identity.')
output controlPlanePrincipalId string = empty(controlPlaneIdentityId) ? cluster.identity.principalId : ''
@description('Of Container Insights\' own identity; empty where it is off.')
output containerInsightsPrincipalId string = containerInsights ? cluster.properties.addonProfiles.omsagent.identity.objectId : ''
