"""Tokens for every resource, and the code of each common mistake, with
Microsoft's Python clients as they come."""

import os
import re

import msal
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import DefaultAzureCredential, WorkloadIdentityCredential

import cloud

VAULT_SCOPE = cloud.RESOURCES["Key Vault"] + "/.default"
NOBODY = "22222222-2222-2222-2222-222222222222"
NOWHERE = "11111111-1111-1111-1111-111111111111"
ISSUER_WITHOUT_ITS_SLASH = cloud.ENDPOINTS["issuer"].rstrip("/")


def by_azure_identity(tmp_path, *, assertion=None, scope=VAULT_SCOPE, client=None, tenant=None):
    """The AADSTS code with which `azure-identity` is refused; None when it is not."""
    options = {}
    if assertion is not None:
        file = tmp_path / "token"
        file.write_text(assertion)
        options["token_file_path"] = str(file)
    try:
        WorkloadIdentityCredential(tenant_id=tenant, client_id=client, **options).get_token(scope)
    except ClientAuthenticationError as error:
        return code_in(str(error))
    return None


def by_msal(_tmp_path, *, assertion=None, scope=VAULT_SCOPE, client=None, tenant=None):
    """The AADSTS code with which `msal` is refused; None when it is not."""
    authority = cloud.AUTHORITY
    if tenant is not None:
        authority = os.environ["AZURE_AUTHORITY_HOST"] + tenant
    try:
        app = msal.ConfidentialClientApplication(
            client or os.environ["AZURE_CLIENT_ID"],
            authority=authority,
            client_credential={"client_assertion": lambda: assertion or cloud.own_token()},
        )
    except ValueError as error:
        # It reads the tenant's discovery document before it asks for any token.
        return code_in(str(error.__context__))
    answer = app.acquire_token_for_client(scopes=[scope])
    if "access_token" in answer:
        return None
    [code] = answer["error_codes"]
    assert code == code_in(answer["error_description"])
    return code


def code_in(text):
    found = re.search(r"AADSTS(\d+): ", text)
    assert found, text
    return int(found[1])


CLIENTS = {"azure-identity": by_azure_identity, "msal": by_msal}

# What is wrong, how the request is made so, and the code that tells it.
MISTAKES = {
    "another account's token": (lambda: {"assertion": cloud.token_of("bystander")}, 700213),
    "an account that differs in case": (lambda: {"assertion": cloud.token_of("Python")}, 7002138),
    "a token for another audience": (
        lambda: {"assertion": cloud.token_of(audience="api://AzureADTokenExchang")},
        700212,
    ),
    "an issuer without its slash": (
        lambda: {"assertion": cloud.token_of_another_issuer(ISSUER_WITHOUT_ITS_SLASH)},
        700211,
    ),
    "an issuer elsewhere": (
        lambda: {"assertion": cloud.token_of_another_issuer("https://oidc.example/cluster/")},
        700211,
    ),
    "a key that the issuer has not published": (
        lambda: {"assertion": cloud.token_of_another_issuer(cloud.ENDPOINTS["issuer"])},
        7000272,
    ),
    "an expired token": (lambda: {"assertion": cloud.token_of(age_seconds=3600)}, 700024),
    "a token of the future": (lambda: {"assertion": cloud.token_of(age_seconds=-600)}, 700024),
    "no token at all": (lambda: {"assertion": "nonsense"}, 50027),
    "a client that is not there": (lambda: {"client": NOBODY}, 700016),
    "a client that trusts nobody": (lambda: {"client": cloud.client_id("untrusting")}, 70025),
    "a tenant that is not there": (lambda: {"tenant": NOWHERE}, 90002),
    "a resource that is not there": (
        lambda: {"scope": "https://nothing.example/.default"},
        500011,
    ),
    "a scope without /.default": (lambda: {"scope": cloud.RESOURCES["Key Vault"]}, 1002012),
}


@pytest.mark.parametrize("resource", cloud.RESOURCES)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_token_is_had_for_each_resource(client, resource, tmp_path):
    before = cloud.audited()

    scope = cloud.RESOURCES[resource] + "/.default"
    assert CLIENTS[client](tmp_path, scope=scope) is None

    [exchange] = cloud.exchanges_since(before)
    assert exchange["decision"] == "allowed"
    assert exchange["identity"] == "python"
    assert exchange["subject"] == cloud.SUBJECT
    assert exchange["action"] == scope


def test_the_default_chain_comes_to_workload_identity():
    before = cloud.audited()

    assert DefaultAzureCredential().get_token(VAULT_SCOPE).token

    [exchange] = cloud.exchanges_since(before)
    assert (exchange["decision"], exchange["subject"]) == ("allowed", cloud.SUBJECT)


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_mistake_is_told_by_its_code(client, mistake, tmp_path):
    make, expected = MISTAKES[mistake]

    assert CLIENTS[client](tmp_path, **make()) == expected
