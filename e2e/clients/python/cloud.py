"""The local cloud as a client on this machine meets it.

Who we are, the proxy and the CA are in the environment that the cloud left for
our service account. Beyond it there is only what a test changes on purpose.
"""

import base64
import json
import os
import pathlib
import urllib.request
import uuid

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

STATE = pathlib.Path(os.environ["CLIENTS_STATE"])
ENDPOINTS = json.loads((STATE / "endpoints.json").read_text())

AUTHORITY = os.environ["AZURE_AUTHORITY_HOST"] + os.environ["AZURE_TENANT_ID"]
EXCHANGE_AUDIENCE = "api://AzureADTokenExchange"
SUBJECT = "system:serviceaccount:clients:python"

VAULT = "https://localvault.vault.azure.net"
STORAGE = "https://localstorage.blob.core.windows.net"
COSMOS = "https://localcosmos.documents.azure.com"
BUS = "localbus.servicebus.windows.net"

# Which the cluster's issuer has never published.
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)

RESOURCES = {
    "Key Vault": "https://vault.azure.net",
    "Storage": "https://storage.azure.com",
    "Cosmos DB": "https://cosmos.azure.com",
    "Service Bus": "https://servicebus.azure.net",
    "Microsoft Graph": "https://graph.microsoft.com",
}


def control(path, body=None):
    """Asks the cloud's control API, as an administrator would act."""
    request = urllib.request.Request(
        ENDPOINTS["control"] + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Bearer " + (STATE / "control-token").read_text(),
            "Content-Type": "application/json",
        },
    )
    # Loopback: not by the proxy of the environment.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=10) as answer:
        return json.load(answer)


def client_id(identity):
    """The client id of an identity: the local cloud makes it from the name."""
    namespace = uuid.uuid5(uuid.NAMESPACE_DNS, "local-cloud.test")
    return str(uuid.uuid5(namespace, f"client/{identity}"))


def own_token():
    """The service-account token that is projected for us."""
    return pathlib.Path(os.environ["AZURE_FEDERATED_TOKEN_FILE"]).read_text()


def token_of(service_account="python", audience=EXCHANGE_AUDIENCE, age_seconds=0):
    """A service-account token as the cluster signs it."""
    request = {
        "namespace": "clients",
        "serviceAccount": service_account,
        "audience": audience,
        "lifetimeSeconds": 3600,
        "ageSeconds": age_seconds,
    }
    return control("cluster/tokens", request)["token"]


def token_of_another_issuer(issuer):
    """Our own claims under another issuer's name, signed with a key of ours."""

    def encode(part):
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    _, claims, _ = own_token().split(".")
    claims = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    claims["iss"] = issuer
    header = {"alg": "RS256", "kid": "ours"}
    message = b".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    signature = KEY.sign(message, padding.PKCS1v15(), hashes.SHA256())
    return (message + b"." + encode(signature)).decode()


def exchanges_since(sequence):
    """What the audit says of token exchanges after a place in it."""
    records = control(f"audit?after={sequence}")
    return [record for record in records if record["operation"] == "TokenExchange"]


def audited():
    """The place that the audit has reached."""
    records = control("audit")
    return records[-1]["sequence"] if records else 0
