// One random value, made once. Whoever deploys never sees it, and deploying again leaves it as it is.
//
// newGuid() is the only source of randomness that a template has, and may stand only as a parameter's default: each GUID
// has 122 random bits, so three are more than the 256 that a key needs. The services take base64 of 32 bytes or more
// (platform/src/signing/vault.rs) and sign with HMAC-SHA-256, which hashes a key of more than 64 bytes down to 32.
param vaultName string
param name string
@secure()
param first string = newGuid()
@secure()
param second string = newGuid()
@secure()
param third string = newGuid()

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

@onlyIfNotExists()
resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' = {
  parent: vault
  name: name
  properties: {
    contentType: 'base64'
    value: base64('${first}${second}${third}')
    attributes: {
      enabled: true
    }
  }
}
