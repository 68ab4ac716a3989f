// An identity of the access model, and whom it trusts: each federated credential names one service account, exactly.
import { federatedTrust } from 'types.bicep'

param name string
param location string
param tags object
param trusted federatedTrust[]

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

// One after another: Entra ID refuses to change the credentials of one identity at the same time. The name comes from
// the subject, because a second credential with the same issuer and subject is refused under any name.
@batchSize(1)
resource credentials 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2024-11-30' = [for trust in trusted: {
  parent: identity
  name: trust.name
  properties: {
    issuer: trust.issuer
    subject: trust.subject
    audiences: [trust.audience]
  }
}]

output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
