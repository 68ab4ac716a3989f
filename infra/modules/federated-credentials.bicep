// Whom an identity of the access model trusts: each federated credential names one subject, exactly. The identity is there
// already, and has its roles by then: only the trust has to wait for the cluster, which issues the tokens.
import { federatedTrust, serviceAccount } from 'types.bicep'

param identityName string
@description('The cluster\'s own issuer, with its slash at the end.')
param issuer string
@description('Accounts of the cluster.')
param serviceAccounts serviceAccount[]
@description('Whom it trusts besides, such as an account of another cluster.')
param others federatedTrust[]

var own = map(serviceAccounts, account => {
  name: '${account.namespace}-${account.name}'
  issuer: issuer
  subject: 'system:serviceaccount:${account.namespace}:${account.name}'
  audience: 'api://AzureADTokenExchange'
})
var foreign = map(range(0, length(others)), i => {
  name: 'external-${i + 1}'
  issuer: others[i].issuer
  subject: others[i].subject
  audience: others[i].audience
})

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' existing = {
  name: identityName
}

// One after another: Entra ID refuses to change the credentials of one identity at the same time. The name comes from
// the subject, because a second credential with the same issuer and subject is refused under any name.
@batchSize(1)
resource credentials 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = [for trust in concat(own, foreign): {
  parent: identity
  name: trust.name
  properties: {
    issuer: trust.issuer
    subject: trust.subject
    audiences: [trust.audience]
  }
}]
