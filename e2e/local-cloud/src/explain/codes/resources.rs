//! The codes of the resources: 401 is a token that is not good there, 403 (for
//! Service Bus a detached link) is a role that is missing.
//!
//! Sources: the services' REST references, the tables of sub-statuses in Cosmos
//! DB's clients, and answers that users quote in issues of the Azure SDKs.
//! `docs/fidelity.md` says which were observed.

use super::Code;

const SHOW_TOKEN: &str =
    "Look at the token: pipe it into `cargo explain`; its signature is never shown.";
const LIST_ROLES: &str = "List the identity's roles: `az role assignment list --assignee OBJECT_ID --all --output table`";
const LIST_COSMOS_ROLES: &str = "List the account's own assignments: `az cosmosdb sql role assignment list --resource-group GROUP --account-name ACCOUNT`";
const NEW_TOKEN: &str = "Get a new token; clients do so by themselves before the old one expires.";
const RIGHT_SCOPE: &str = "Ask for the scope of this service.";

pub(super) static CODES: &[Code] = &[
    // Key Vault.
    Code {
        code: "AKV10000",
        step: 5,
        means: "The request had no token. Clients begin like this, to learn for what to ask.",
        causes: &[
            "This is the first half of every client's first call.",
            "If it is the last word, the client found no credential.",
        ],
        check: &["Look whether the next request has a token."],
        mend: &["Nothing, if a request with a token follows; else give the client a credential."],
    },
    Code {
        code: "AKV10022",
        step: 5,
        means: "The token is for another resource than Key Vault.",
        causes: &["The program asked for another scope than https://vault.azure.net/.default."],
        check: &[SHOW_TOKEN],
        mend: &["Ask for https://vault.azure.net/.default."],
    },
    Code {
        code: "AKV10032",
        step: 5,
        means: "The token is of another tenant than the vault's.",
        causes: &["The identity is of another tenant, or AZURE_TENANT_ID is."],
        check: &[
            SHOW_TOKEN,
            "Ask for the vault's tenant: `az keyvault show --name VAULT --query properties.tenantId`",
        ],
        mend: &["Use an identity of the vault's tenant."],
    },
    Code {
        code: "AKV10046",
        step: 5,
        means: "The token names a key that Entra ID does not publish.",
        causes: &["The token was not made by Entra ID."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "TokenExpired",
        step: 5,
        means: "The token has expired.",
        causes: &[
            "The program keeps a token and does not look at its expiry.",
            "A clock is wrong.",
        ],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "AggregatedAuthenticationFailure",
        step: 5,
        means: "Key Vault does not accept the token, and does not say why.",
        causes: &["The token's signature, form or time is not right."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "ForbiddenByRbac",
        step: 5,
        means: "No role of the identity grants this action on this secret or vault.",
        causes: &[
            "The role was assigned at another secret, or to another identity.",
            "The role is a control role, such as Contributor: those read no secret.",
            "It was assigned a moment ago; it takes up to ten minutes.",
            "The identity was created anew: the assignments are still of the old one.",
        ],
        check: &[LIST_ROLES],
        mend: &["Assign a role that has the action, at the secret or above."],
    },
    Code {
        code: "ForbiddenByPolicy",
        step: 5,
        means: "The vault goes by access policies, and none lets the identity do this.",
        causes: &["The vault is not in the mode of roles, so that assigned roles have no effect."],
        check: &[
            "Look at the mode: `az keyvault show --name VAULT --query properties.enableRbacAuthorization`",
        ],
        mend: &[
            "Turn the vault to roles: `az keyvault update --name VAULT --enable-rbac-authorization true`",
        ],
    },
    Code {
        code: "ForbiddenByFirewall",
        step: 5,
        means: "The vault's firewall refuses the address; no role would help.",
        causes: &[
            "The cluster's outgoing address or subnet is not among those that the vault lets in.",
        ],
        check: &["`az keyvault network-rule list --name VAULT`"],
        mend: &["Let the cluster's subnet in, or use a private endpoint."],
    },
    Code {
        code: "ForbiddenByConnection",
        step: 5,
        means: "The vault takes private connections only; no role would help.",
        causes: &["Public access is off, and the pod resolves the vault's public address."],
        check: &["Resolve the vault's name in the pod: it has to be a private address."],
        mend: &["Link the private DNS zone with the cluster's network."],
    },
    Code {
        code: "SecretDisabled",
        step: 5,
        means: "The secret's version is disabled. The role is there: this is not about access.",
        causes: &["Somebody disabled the version, for example at a rotation."],
        check: &[
            "`az keyvault secret list-versions --vault-name VAULT --name SECRET --output table`",
        ],
        mend: &["Use a newer version, or enable this one."],
    },
    // Blob Storage.
    Code {
        code: "NoAuthenticationInformation",
        step: 5,
        means: "The request to Blob Storage had no token.",
        causes: &["The client was made without a credential."],
        check: &["Look at how the client is made."],
        mend: &["Give the client a WorkloadIdentityCredential."],
    },
    Code {
        code: "InvalidAuthenticationInfo",
        step: 5,
        means: "Blob Storage does not accept the token; AuthenticationErrorDetail says why.",
        causes: &["The token is for another resource, of another tenant, or has expired."],
        check: &[SHOW_TOKEN],
        mend: &[
            "Ask for https://storage.azure.com/.default, and for a new token before the old one expires.",
        ],
    },
    Code {
        code: "AuthenticationFailed",
        step: 5,
        means: "Blob Storage cannot make sense of the authorization.",
        causes: &[
            "The header x-ms-version is missing or older than 2017-11-09: those versions know no tokens.",
        ],
        check: &["Look at the request's header x-ms-version."],
        mend: &["Send x-ms-version of 2017-11-09 or later, or use an official client."],
    },
    Code {
        code: "AuthorizationPermissionMismatch",
        step: 5,
        means: "No role of the identity grants this operation on this container.",
        causes: &[
            "The role was assigned at another container or account, or to another identity.",
            "The role is a control role, such as Contributor or Storage Account Contributor: those read no blob.",
            "It was assigned a moment ago; it takes up to ten minutes.",
        ],
        check: &[LIST_ROLES],
        mend: &["Assign Storage Blob Data Reader, or Contributor for writing, at the container."],
    },
    Code {
        code: "AuthorizationFailure",
        step: 5,
        means: "The storage account's firewall refuses the address; no role would help.",
        causes: &["The cluster's subnet is not among those that the account lets in."],
        check: &["`az storage account network-rule list --account-name ACCOUNT`"],
        mend: &["Let the cluster's subnet in, or use a private endpoint."],
    },
    Code {
        code: "KeyBasedAuthenticationNotPermitted",
        step: 5,
        means: "The account takes no keys, and the request was signed with one.",
        causes: &["The client was made from a connection string or an account key."],
        check: &["Look at how the client is made."],
        mend: &["Give the client a WorkloadIdentityCredential."],
    },
    // Cosmos DB: 401.
    Code {
        code: "401/5000",
        step: 5,
        means: "The request to Cosmos DB had no authorization.",
        causes: &["The client was made without a credential."],
        check: &["Look at how the client is made."],
        mend: &["Give the client a WorkloadIdentityCredential."],
    },
    Code {
        code: "401/5001",
        step: 5,
        means: "The authorization header has not the form that Cosmos DB wants.",
        causes: &[
            "A client of one's own sends `Bearer` in place of type=aad&ver=1.0&sig=TOKEN, url-encoded.",
        ],
        check: &["Look at how the header is made."],
        mend: &["Use an official client, or encode the header as a whole."],
    },
    Code {
        code: "401/5003",
        step: 5,
        means: "What was sent as the token is none.",
        causes: &["The token was cut, or encoded twice."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "401/5004",
        step: 5,
        means: "The token's signature is not valid.",
        causes: &["The token was changed on its way, or was not made by Entra ID."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "401/5005",
        step: 5,
        means: "The token is not yet valid.",
        causes: &["A clock is wrong."],
        check: &[SHOW_TOKEN],
        mend: &["Set the clock of the machine that runs ahead or behind."],
    },
    Code {
        code: "401/5006",
        step: 5,
        means: "The token has expired.",
        causes: &[
            "The program keeps a token and does not look at its expiry.",
            "A clock is wrong.",
        ],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "401/5007",
        step: 5,
        means: "The token is of another tenant than the account's.",
        causes: &["The identity is of another tenant, or AZURE_TENANT_ID is."],
        check: &[SHOW_TOKEN],
        mend: &["Use an identity of the account's tenant."],
    },
    Code {
        code: "401/5008",
        step: 5,
        means: "The token is for another resource than Cosmos DB.",
        causes: &["The program asked for another scope than https://cosmos.azure.com/.default."],
        check: &[SHOW_TOKEN],
        mend: &["Ask for https://cosmos.azure.com/.default."],
    },
    Code {
        code: "401/5009",
        step: 5,
        means: "The token's scope is not one that Cosmos DB takes.",
        causes: &["A user's token without the permission user_impersonation."],
        check: &[SHOW_TOKEN],
        mend: &["Use a token of the workload's own identity."],
    },
    Code {
        code: "401/5011",
        step: 5,
        means: "The token names no principal.",
        causes: &["The token has no claim `oid`, or one of nobody in this tenant."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "401/5200",
        step: 5,
        means: "The token was signed with a key that Cosmos DB does not know.",
        causes: &["The token was not made by Entra ID, or its keys were replaced a moment ago."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "401/5201",
        step: 5,
        means: "The groups of the principal could not be found out.",
        causes: &["The principal is in more groups than a token holds."],
        check: &[SHOW_TOKEN],
        mend: &["Assign the role to the identity itself, not to a group."],
    },
    Code {
        code: "401/5202",
        step: 5,
        means: "Keys are switched off for this account, and the request was signed with one.",
        causes: &["The client was made from a connection string or a key."],
        check: &["Look at how the client is made."],
        mend: &["Give the client a WorkloadIdentityCredential."],
    },
    // Cosmos DB: 403.
    Code {
        code: "403/5300",
        step: 5,
        means: "No role of any kind allows this with a token: databases and containers are made through Azure Resource Manager.",
        causes: &["The program creates its database or container at start."],
        check: &["Look for create_database or create_container, or `CreateIfNotExists`."],
        mend: &[
            "Make databases and containers with Bicep or `az cosmosdb sql container create`, and leave it out of the program.",
        ],
    },
    Code {
        code: "403/5301",
        step: 5,
        means: "No role of the identity lets it read the metadata there, which every client does first.",
        causes: &[
            "The identity has no data role at this container.",
            "The role was assigned with `az role assignment`, which has no effect inside Cosmos DB.",
            "The role is at another container, and the client opens the database.",
        ],
        check: &[LIST_COSMOS_ROLES],
        mend: &[
            "Assign Cosmos DB Built-in Data Reader or Contributor at the container, with `az cosmosdb sql role assignment create`.",
        ],
    },
    Code {
        code: "403/5302",
        step: 5,
        means: "No role of the identity grants this action on this container's items.",
        causes: &[
            "The identity may read there and tries to write.",
            "The role was assigned with `az role assignment`, which has no effect inside Cosmos DB.",
        ],
        check: &[LIST_COSMOS_ROLES],
        mend: &[
            "Assign Cosmos DB Built-in Data Contributor at the container, with `az cosmosdb sql role assignment create`.",
        ],
    },
    Code {
        code: "403/5303",
        step: 5,
        means: "No role of the identity grants this action; the resource was named by its id.",
        causes: &["As with 403/5302; a new container may answer so for a moment."],
        check: &[LIST_COSMOS_ROLES],
        mend: &[
            "Assign Cosmos DB Built-in Data Contributor at the container, with `az cosmosdb sql role assignment create`.",
        ],
    },
    Code {
        code: "403/5304",
        step: 5,
        means: "The role assignments of the principal do not allow this.",
        causes: &["As with 403/5302."],
        check: &[LIST_COSMOS_ROLES],
        mend: &["Assign a Cosmos DB data role at the container."],
    },
    Code {
        code: "403/5305",
        step: 5,
        means: "The role assignments of the principal do not allow this.",
        causes: &["As with 403/5302."],
        check: &[LIST_COSMOS_ROLES],
        mend: &["Assign a Cosmos DB data role at the container."],
    },
    Code {
        code: "403/5306",
        step: 5,
        means: "The role assignments of the principal do not allow this.",
        causes: &["As with 403/5302."],
        check: &[LIST_COSMOS_ROLES],
        mend: &["Assign a Cosmos DB data role at the container."],
    },
    Code {
        code: "403/5307",
        step: 5,
        means: "The account's network perimeter refuses the request; no role would help.",
        causes: &["The cluster is outside of the perimeter."],
        check: &["Look at the account's network settings."],
        mend: &["Let the cluster's subnet in, or use a private endpoint."],
    },
    Code {
        code: "403/5400",
        step: 5,
        means: "Cosmos DB refused the request on grounds of its own.",
        causes: &["The account's settings do not allow this kind of request."],
        check: &["Look at the account's settings and the text of the answer."],
        mend: &["Change the setting that the text names."],
    },
    // Service Bus.
    Code {
        code: "InvalidAudience",
        step: 5,
        means: "The token is for another resource than Service Bus.",
        causes: &[
            "The program asked for another scope than https://servicebus.azure.net/.default.",
        ],
        check: &[SHOW_TOKEN],
        mend: &["Ask for https://servicebus.azure.net/.default."],
    },
    Code {
        code: "InvalidIssuer",
        step: 5,
        means: "The token is of another tenant than the namespace's.",
        causes: &["The identity is of another tenant, or AZURE_TENANT_ID is."],
        check: &[SHOW_TOKEN],
        mend: &["Use an identity of the namespace's tenant."],
    },
    Code {
        code: "ExpiredToken",
        step: 5,
        means: "The token has expired.",
        causes: &[
            "The client did not renew the link's token in time, for example because a new one could not be had.",
        ],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "InvalidSignature",
        step: 5,
        means: "The token's signature is not valid.",
        causes: &["The token was changed on its way, or was not made by Entra ID."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    Code {
        code: "LocalAuthDisabled",
        step: 5,
        means: "Keys are switched off for this namespace, and the client used one.",
        causes: &["The client was made from a connection string."],
        check: &["Look at how the client is made."],
        mend: &["Give the client a WorkloadIdentityCredential."],
    },
    Code {
        code: "com.microsoft:auth-failed",
        step: 5,
        means: "Service Bus does not accept the token (the older name of the condition).",
        causes: &["The token is for another resource, of another tenant, or has expired."],
        check: &[SHOW_TOKEN],
        mend: &[RIGHT_SCOPE],
    },
    Code {
        code: "amqp:unauthorized-access",
        step: 5,
        means: "No role of the identity lets it open this link: Send or Listen on the queue is missing.",
        causes: &[
            "The role was assigned at another queue, or to another identity.",
            "The queue's name has a slip in it: without a role Service Bus says this for a queue that does not exist, too.",
            "It was assigned a moment ago; it takes up to ten minutes.",
        ],
        check: &[LIST_ROLES],
        mend: &["Assign Azure Service Bus Data Sender or Data Receiver at the queue."],
    },
    Code {
        code: "MalformedToken",
        step: 5,
        means: "The token is missing or cannot be read.",
        causes: &["The client sent something else than a token."],
        check: &[SHOW_TOKEN],
        mend: &["Use the credential of an official client."],
    },
    Code {
        code: "InvalidToken",
        step: 5,
        means: "The token is not valid at this time, or names nobody whom Service Bus knows.",
        causes: &["A clock is wrong.", "The identity was deleted."],
        check: &[SHOW_TOKEN],
        mend: &[NEW_TOKEN],
    },
    // Microsoft Graph.
    Code {
        code: "InvalidAuthenticationToken",
        step: 5,
        means: "Microsoft Graph does not accept the token.",
        causes: &["The token is for another resource, of another tenant, or has expired."],
        check: &[SHOW_TOKEN],
        mend: &["Ask for https://graph.microsoft.com/.default."],
    },
    Code {
        code: "Authorization_RequestDenied",
        step: 5,
        means: "The identity has no app role for this call of Microsoft Graph.",
        causes: &[
            "Roles of Azure do not count at Graph: it has app roles, such as Application.Read.All.",
        ],
        check: &[
            "List them: `az rest --url https://graph.microsoft.com/v1.0/servicePrincipals/OBJECT_ID/appRoleAssignments`",
        ],
        mend: &[
            "Assign the app role to the identity's service principal; an administrator has to.",
        ],
    },
    Code {
        code: "NoRoleAssignment",
        step: 5,
        means: "No role of the identity grants this action at this scope.",
        causes: &["The role is missing, or stands at another scope."],
        check: &[LIST_ROLES],
        mend: &["Assign a role that has the action, at the scope or above."],
    },
];
