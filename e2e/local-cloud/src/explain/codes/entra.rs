//! The codes of Entra ID's token endpoint, and what goes wrong before a pod
//! comes to it.
//!
//! Sources: Microsoft Learn, *Microsoft Entra authentication and authorization
//! error codes*; the troubleshooting page of azure-workload-identity; issues of
//! that project and of the Azure SDKs. `docs/fidelity.md` says which texts were
//! observed.

use super::Code;

const LIST_CREDENTIALS: &str = "List what the identity trusts: `az identity federated-credential list --resource-group GROUP --identity-name IDENTITY`";
const SHOW_ISSUER: &str = "Ask the cluster for its issuer: `az aks show --resource-group GROUP --name CLUSTER --query oidcIssuerProfile.issuerUrl --output tsv`";
const SHOW_TOKEN: &str = "Look at the token in the pod: `kubectl exec POD -- sh -c 'cat $AZURE_FEDERATED_TOKEN_FILE' | cargo explain`";
const SHOW_ENV: &str = "Look at what was injected: `kubectl get pod POD --output yaml`, the variables that begin with `AZURE_`.";
const TRY_DISCOVERY: &str = "Fetch the issuer's document from outside the cluster: `curl ISSUER.well-known/openid-configuration`";

pub(super) static CODES: &[Code] = &[
    Code {
        code: "AADSTS700211",
        step: 3,
        means: "No federated credential of this identity trusts the token's issuer.",
        causes: &[
            "The credential's issuer lacks the slash at its end: that slash is a part of an AKS issuer.",
            "The cluster was created anew: its issuer has a new id since.",
            "A blank was copied into the credential with the issuer.",
        ],
        check: &[SHOW_ISSUER, LIST_CREDENTIALS],
        mend: &["Set the credential's issuer to exactly what the cluster says."],
    },
    Code {
        code: "AADSTS700212",
        step: 3,
        means: "No federated credential of this identity trusts the token's audience.",
        causes: &[
            "The program reads another token than the one in AZURE_FEDERATED_TOKEN_FILE.",
            "The token is of identity bindings (api://AKSIdentityBinding) and is used for direct federation.",
            "The credential was made with another audience than api://AzureADTokenExchange.",
        ],
        check: &[SHOW_TOKEN, LIST_CREDENTIALS],
        mend: &[
            "Present the token that the webhook projects; its audience is api://AzureADTokenExchange.",
        ],
    },
    Code {
        code: "AADSTS700213",
        step: 3,
        means: "No federated credential of this identity trusts the token's subject.",
        causes: &[
            "The pod runs as another service account than the credential names, often `default`.",
            "The namespace in the credential is another.",
            "The service account's annotation has the client id of another identity.",
        ],
        check: &[SHOW_TOKEN, LIST_CREDENTIALS],
        mend: &[
            "Make the credential's subject system:serviceaccount:NAMESPACE:NAME of the pod's service account, or run the pod as the one that it names.",
        ],
    },
    Code {
        code: "AADSTS7002138",
        step: 3,
        means: "A federated credential names this subject in another spelling: only the case differs. Entra ID compares exactly since 2024.",
        causes: &[
            "The credential was written with capital letters; names in Kubernetes have none.",
        ],
        check: &[LIST_CREDENTIALS],
        mend: &["Write the credential's subject in the case of the token's."],
    },
    Code {
        code: "AADSTS70021",
        step: 3,
        means: "No federated credential of this identity trusts the token (the older, combined form of AADSTS700211 to 700213).",
        causes: &[
            "Issuer, subject or audience differ from the credential's in at least one character.",
        ],
        check: &[SHOW_TOKEN, LIST_CREDENTIALS],
        mend: &[
            "Make issuer, subject and audience of the credential those of the token, to the character.",
        ],
    },
    Code {
        code: "AADSTS70025",
        step: 3,
        means: "The identity has no federated credential at all.",
        causes: &[
            "The credential was made for another identity, or not yet.",
            "It was made a moment ago: it takes seconds, sometimes minutes, until every node knows it.",
        ],
        check: &[LIST_CREDENTIALS],
        mend: &["Create the federated credential; if it is new, try again for some minutes."],
    },
    Code {
        code: "AADSTS700016",
        step: 2,
        means: "There is no identity or application of this client id in the tenant.",
        causes: &[
            "The annotation has the object (principal) id in place of the client id.",
            "The identity was created anew, which gives it a new client id.",
            "The tenant is another than the identity's.",
        ],
        check: &[
            SHOW_ENV,
            "Ask for the id: `az identity show --resource-group GROUP --name IDENTITY --query clientId --output tsv`",
        ],
        mend: &[
            "Set the annotation azure.workload.identity/client-id of the service account to the identity's client id, and start the pod anew.",
        ],
    },
    Code {
        code: "AADSTS90002",
        step: 2,
        means: "There is no tenant of this id.",
        causes: &[
            "The tenant id in the service account's annotation or in the webhook's settings is wrong.",
        ],
        check: &[
            SHOW_ENV,
            "Ask for the tenant: `az account show --query tenantId --output tsv`",
        ],
        mend: &[
            "Correct the annotation azure.workload.identity/tenant-id, or remove it so that the webhook's own tenant counts.",
        ],
    },
    Code {
        code: "AADSTS900023",
        step: 2,
        means: "What stands in the tenant's place is neither an id nor a domain.",
        causes: &[
            "AZURE_TENANT_ID has a name, a placeholder that was not replaced, or a blank in it.",
        ],
        check: &[SHOW_ENV],
        mend: &[
            "Set AZURE_TENANT_ID to the tenant's id, by the webhook or by the annotation azure.workload.identity/tenant-id.",
        ],
    },
    Code {
        code: "AADSTS900021",
        step: 2,
        means: "The tenant id is the empty one, all zeros.",
        causes: &["A template left the tenant id empty."],
        check: &[SHOW_ENV],
        mend: &["Set AZURE_TENANT_ID to the tenant's id."],
    },
    Code {
        code: "AADSTS900191",
        step: 2,
        means: "A client asks for itself and so has to name its tenant; `common` and `organizations` are for people.",
        causes: &["The authority in the program ends with /common or /organizations."],
        check: &[SHOW_ENV],
        mend: &["Use AZURE_TENANT_ID as the tenant."],
    },
    Code {
        code: "AADSTS700024",
        step: 3,
        means: "The service account's token is not valid at this time.",
        causes: &[
            "The program read the token file once and keeps what it read; kubelet replaces the file.",
            "The clock of the node is wrong.",
            "The pod was paused, or the machine slept, for longer than the token lives.",
        ],
        check: &[
            SHOW_TOKEN,
            "Compare `date -u` on the node with the current time in the error's text.",
        ],
        mend: &["Read the file that AZURE_FEDERATED_TOKEN_FILE names for every exchange."],
    },
    Code {
        code: "AADSTS70023",
        step: 3,
        means: "The service account's token lives for longer than the 25 hours that Entra ID accepts.",
        causes: &[
            "It is a token made by hand (`kubectl create token --duration`), or one whose life the API server extends to a year.",
        ],
        check: &[SHOW_TOKEN],
        mend: &[
            "Use the token that the webhook projects; it lives for an hour unless an annotation says otherwise.",
        ],
    },
    Code {
        code: "AADSTS7000272",
        step: 3,
        means: "The issuer publishes no key of the id that the token was signed with, as far as Entra ID knows.",
        causes: &[
            "The issuer is new or its keys were replaced, and Entra ID still has the old ones; up to 30 minutes were seen.",
            "The token is of another cluster that calls itself by the same issuer.",
        ],
        check: &[
            "Fetch the issuer's keys: `curl ISSUERopenid/v1/jwks` and look for the id.",
            SHOW_TOKEN,
        ],
        mend: &[
            "Wait until Entra ID has fetched the keys; after a rotation start the pods anew, so that they get tokens of the new key.",
        ],
    },
    Code {
        code: "AADSTS700027",
        step: 3,
        means: "The token's signature is not that of the issuer's key.",
        causes: &["The token was changed or cut on its way, or somebody else made it."],
        check: &[SHOW_TOKEN],
        mend: &["Send the whole content of the token file, unchanged."],
    },
    Code {
        code: "AADSTS5002730",
        step: 3,
        means: "The token's algorithm does not fit the issuer's key; RS256 is the one that is supported.",
        causes: &["The token was not made by the cluster's issuer."],
        check: &[SHOW_TOKEN],
        mend: &["Present the token that Kubernetes projected."],
    },
    Code {
        code: "AADSTS50027",
        step: 3,
        means: "What was sent as the assertion is no well-formed token.",
        causes: &[
            "The file's path was sent in place of its content, or only a part of it.",
            "The token has several audiences.",
            "client_assertion_type is not urn:ietf:params:oauth:client-assertion-type:jwt-bearer.",
        ],
        check: &[SHOW_TOKEN],
        mend: &[
            "Send the content of the file that AZURE_FEDERATED_TOKEN_FILE names, and nothing else.",
        ],
    },
    Code {
        code: "AADSTS900385",
        step: 3,
        means: "The token is not signed.",
        causes: &["Somebody took the signature away, or made a token with `alg: none`."],
        check: &[SHOW_TOKEN],
        mend: &["Present the token that Kubernetes projected."],
    },
    Code {
        code: "AADSTS700022",
        step: 3,
        means: "The token has no subject.",
        causes: &["The token is not one of a service account."],
        check: &[SHOW_TOKEN],
        mend: &["Present the token that Kubernetes projected."],
    },
    Code {
        code: "AADSTS700222",
        step: 3,
        means: "The assertion is itself a token of Entra ID, which federation does not take.",
        causes: &[
            "An access token was sent as the assertion, in place of the service account's token.",
        ],
        check: &[SHOW_TOKEN],
        mend: &["Present the token of the file that AZURE_FEDERATED_TOKEN_FILE names."],
    },
    Code {
        code: "AADSTS90061",
        step: 3,
        means: "Entra ID could not fetch the issuer's discovery document or keys.",
        causes: &[
            "The issuer cannot be reached from the internet, or answered too slowly.",
            "The cluster was deleted.",
        ],
        check: &[TRY_DISCOVERY],
        mend: &[
            "Make the issuer's address reachable for everybody; try again, as the failure may be a passing one.",
        ],
    },
    Code {
        code: "AADSTS50166",
        step: 3,
        means: "Entra ID could not fetch the issuer's discovery document or keys.",
        causes: &[
            "The issuer cannot be reached from the internet, or answered too slowly.",
            "The cluster was deleted.",
        ],
        check: &[TRY_DISCOVERY],
        mend: &[
            "Make the issuer's address reachable for everybody; try again, as the failure may be a passing one.",
        ],
    },
    Code {
        code: "AADSTS501661",
        step: 3,
        means: "Entra ID could not fetch the issuer's discovery document or keys.",
        causes: &[
            "The issuer cannot be reached from the internet, or answered too slowly.",
            "The cluster was deleted.",
        ],
        check: &[TRY_DISCOVERY],
        mend: &[
            "Make the issuer's address reachable for everybody; try again, as the failure may be a passing one.",
        ],
    },
    Code {
        code: "AADSTS900610",
        step: 3,
        means: "The issuer refused to say its keys, for good.",
        causes: &["The issuer's address answers 403 or 404, or needs a login."],
        check: &[TRY_DISCOVERY],
        mend: &["Publish the discovery document and the keys without any login."],
    },
    Code {
        code: "AADSTS900611",
        step: 3,
        means: "The issuer's discovery document cannot be understood.",
        causes: &[
            "Something else than the issuer answers at its address, such as a login page or a proxy.",
        ],
        check: &[TRY_DISCOVERY],
        mend: &["Publish the cluster's own discovery document at the issuer's address."],
    },
    Code {
        code: "AADSTS900612",
        step: 3,
        means: "The issuer's keys cannot be understood.",
        causes: &["The address in jwks_uri serves no set of RSA keys."],
        check: &[TRY_DISCOVERY],
        mend: &["Publish the cluster's own keys at the address in jwks_uri."],
    },
    Code {
        code: "AADSTS70024",
        step: 3,
        means: "The issuer's discovery document lacks a field.",
        causes: &["The document was written by hand, without issuer or jwks_uri."],
        check: &[TRY_DISCOVERY],
        mend: &["Publish the document that the API server makes."],
    },
    Code {
        code: "AADSTS700221",
        step: 3,
        means: "The issuer in the token is another than the one in the issuer's own discovery document.",
        causes: &[
            "The API server's --service-account-issuer and the published document differ, often in the slash at the end.",
        ],
        check: &[TRY_DISCOVERY, SHOW_TOKEN],
        mend: &["Make both the same, to the character."],
    },
    Code {
        code: "AADSTS70022",
        step: 3,
        means: "The issuer is not https, is on loopback, or has a query or a fragment.",
        causes: &[
            "A local cluster's own issuer, such as https://kubernetes.default.svc or one on 127.0.0.1.",
        ],
        check: &[SHOW_TOKEN],
        mend: &["Give the cluster an issuer that is a public https address."],
    },
    Code {
        code: "AADSTS7000216",
        step: 2,
        means: "The request has no credential at all: no assertion and no secret.",
        causes: &["The token file is empty, or the program sends none."],
        check: &[SHOW_TOKEN],
        mend: &["Use WorkloadIdentityCredential, which sends the token file's content."],
    },
    Code {
        code: "AADSTS900144",
        step: 2,
        means: "The request lacks a parameter; the text names it.",
        causes: &[
            "A client of one's own that does not send all of grant_type, client_id, scope, client_assertion_type and client_assertion.",
            "AZURE_CLIENT_ID is empty.",
        ],
        check: &[SHOW_ENV],
        mend: &["Send the parameter, or use an official client."],
    },
    Code {
        code: "AADSTS1002012",
        step: 4,
        means: "The scope does not end with /.default, as it has to where no user takes part.",
        causes: &[
            "The program asks for a resource, or for a user's permission, in place of a resource and /.default.",
        ],
        check: &["Look at the scope that the program asks for."],
        mend: &["Ask for RESOURCE/.default."],
    },
    Code {
        code: "AADSTS70011",
        step: 4,
        means: "The scope cannot be understood, or names several resources; a token is for one.",
        causes: &["Two scopes in one request."],
        check: &["Look at the scope that the program asks for."],
        mend: &["Ask for one token for each resource."],
    },
    Code {
        code: "AADSTS500011",
        step: 4,
        means: "The resource that a token was asked for is not known in the tenant.",
        causes: &[
            "A slip in the resource's address, such as https://vault.azure.com.",
            "A client that first tries the account's own name and then the common one: then the next request succeeds.",
        ],
        check: &["Look at the scope that the program asks for."],
        mend: &[
            "Ask for https://vault.azure.net, https://storage.azure.com, https://cosmos.azure.com or https://servicebus.azure.net, each with /.default.",
        ],
    },
    Code {
        code: "AADSTS901002",
        step: 2,
        means: "The endpoint of version 2 takes `scope`, not `resource`.",
        causes: &["A request of the old endpoint was sent to the new one."],
        check: &["Look at the parameters that the program sends."],
        mend: &["Send scope=RESOURCE/.default."],
    },
    Code {
        code: "AADSTS70003",
        step: 2,
        means: "The grant type is not one that the endpoint plays.",
        causes: &["A misspelled grant_type, or one that is not meant for applications."],
        check: &["Look at the parameters that the program sends."],
        mend: &["Send grant_type=client_credentials."],
    },
    Code {
        code: "AADSTS900561",
        step: 2,
        means: "The token endpoint takes POST only.",
        causes: &["A client of one's own, or a redirect that turned POST into GET."],
        check: &["Look at the request's method."],
        mend: &["Send a POST."],
    },
    Code {
        code: "AADSTS900058",
        step: 2,
        means: "A managed identity asked for something that is for users only.",
        causes: &[
            "Another grant type than client_credentials with a managed identity's client id.",
        ],
        check: &["Look at the parameters that the program sends."],
        mend: &["Send grant_type=client_credentials."],
    },
    Code {
        code: "AADSTS90055",
        step: 2,
        means: "Too many requests in a short time.",
        causes: &[
            "A program that asks for a token for each call, or pods that fail and restart in a loop.",
        ],
        check: &["Count the exchanges in the pods' logs."],
        mend: &[
            "Keep the token until shortly before it expires, keep to Retry-After, and pause between attempts.",
        ],
    },
    Code {
        code: "AADSTS50196",
        step: 2,
        means: "The same client sent the same request again and again.",
        causes: &["A program that retries a refusal without a pause."],
        check: &["Count the exchanges in the pods' logs."],
        mend: &["Mend the cause of the refusal; pause between attempts."],
    },
    Code {
        code: "AADSTS90024",
        step: 2,
        means: "Entra ID is away for a moment.",
        causes: &["A fault of the service that passes."],
        check: &["Look at Azure's status page if it lasts."],
        mend: &["Try again, with growing pauses."],
    },
    Code {
        code: "NotInjected",
        step: 1,
        means: "The pod lacks what the workload-identity webhook injects.",
        causes: &[
            "The pod has no label azure.workload.identity/use: \"true\". The service account's label does not count.",
            "The service account has no annotation azure.workload.identity/client-id: then AZURE_CLIENT_ID alone is missing.",
            "The pod was created before the annotation, or in a namespace that the webhook does not see, such as kube-system.",
        ],
        check: &[SHOW_ENV],
        mend: &[
            "Set the label on the pod's template and the annotation on its service account, and start the pod anew.",
        ],
    },
    Code {
        code: "AdmissionTokenExpiration",
        step: 1,
        means: "The webhook did not admit the pod: the token's lifetime has to be 3600 to 86400 seconds.",
        causes: &[
            "The annotation azure.workload.identity/service-account-token-expiration is no whole number within these bounds; the pod's beats the service account's.",
        ],
        check: &["Look at the annotation of the pod's template and of its service account."],
        mend: &[
            "Set the annotation to a number of 3600 to 86400, or remove it; 3600 is the default.",
        ],
    },
    Code {
        code: "AdmissionServiceAccount",
        step: 1,
        means: "The pod was not admitted: its service account does not exist in its namespace.",
        causes: &[
            "A slip in serviceAccountName.",
            "The service account was applied to another namespace, or not yet.",
        ],
        check: &["`kubectl get serviceaccounts --namespace NAMESPACE`"],
        mend: &["Apply the service account, or correct serviceAccountName."],
    },
];
