// What is handed from the access model to the modules.

@export()
@sealed()
@description('A role at a scope of the access model, such as vault/secrets/session-key.')
type grant = {
  identity: string
  role: string
  scope: string
}

@export()
@sealed()
@description('An identity as Entra ID knows it.')
type principal = {
  identity: string
  principalId: string
}

@export()
@sealed()
@description('A Kubernetes service account.')
type serviceAccount = {
  namespace: string
  name: string
}

@export()
@sealed()
@description('Whose tokens an identity takes for its own.')
type federatedTrust = {
  issuer: string
  subject: string
  audience: string
}
