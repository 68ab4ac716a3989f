"""The services behind the tokens, with Microsoft's Python clients as they come:
what our roles allow works, what they do not is refused as Azure refuses it."""

import os
import uuid

import pytest
from azure.core.exceptions import HttpResponseError
from azure.cosmos import CosmosClient
from azure.cosmos.exceptions import CosmosHttpResponseError
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.secrets import SecretClient
from azure.servicebus import ServiceBusClient, ServiceBusMessage, TransportType
from azure.servicebus.exceptions import ServiceBusError
from azure.storage.blob import BlobServiceClient

import cloud


@pytest.fixture(scope="module")
def credential():
    return WorkloadIdentityCredential()


@pytest.fixture
def bystander(tmp_path):
    """Another identity of the same cluster, without any role."""
    file = tmp_path / "token"
    file.write_text(cloud.token_of("bystander"))
    return WorkloadIdentityCredential(
        client_id=cloud.client_id("bystander"), token_file_path=str(file)
    )


def test_a_secret_is_read(credential):
    secret = SecretClient(cloud.VAULT, credential).get_secret("generated")

    assert secret.name == "generated"
    assert secret.value


def test_a_secret_is_refused_without_the_role(bystander):
    with pytest.raises(HttpResponseError) as refusal:
        SecretClient(cloud.VAULT, bystander).get_secret("generated")

    assert refusal.value.status_code == 403
    assert refusal.value.error.innererror == {"code": "ForbiddenByRbac"}


def test_a_blob_is_written_read_and_listed(credential):
    files = BlobServiceClient(cloud.STORAGE, credential).get_container_client("files")
    name = f"python/{uuid.uuid4()}"

    files.upload_blob(name, b"written by Python")

    assert files.download_blob(name).readall() == b"written by Python"
    assert [blob.name for blob in files.list_blobs("python/")] == [name]
    files.delete_blob(name)


def test_a_blob_is_refused_without_the_role(bystander):
    files = BlobServiceClient(cloud.STORAGE, bystander).get_container_client("files")

    with pytest.raises(HttpResponseError) as refusal:
        files.download_blob("none").readall()

    assert refusal.value.status_code == 403
    assert refusal.value.error_code == "AuthorizationPermissionMismatch"


def items(credential):
    # It asks for the account's own name first, and after AADSTS500011 for
    # https://cosmos.azure.com: on Azure too.
    account = CosmosClient(cloud.COSMOS, credential)
    return account.get_database_client("estate").get_container_client("items")


def test_an_item_is_written_read_and_found(credential):
    container = items(credential)
    id = str(uuid.uuid4())
    item = {"id": id, "list": "python", "title": f"Written by Python as {id}"}

    container.create_item(item)

    read = container.read_item(id, partition_key="python")
    assert read["title"] == item["title"]
    found = container.query_items(
        "SELECT VALUE c.id FROM c WHERE c.title = @title",
        parameters=[{"name": "@title", "value": item["title"]}],
        partition_key="python",
    )
    assert list(found) == [id]


def test_an_item_is_refused_without_the_role(bystander):
    with pytest.raises(CosmosHttpResponseError) as refusal:
        items(bystander).read_item("none", partition_key="python")

    assert refusal.value.status_code == 403
    assert refusal.value.sub_status == 5301


def bus(credential):
    # With a custom endpoint the client chooses WebSockets unless it is told not
    # to; and it takes its CA from this argument alone.
    return ServiceBusClient(
        cloud.BUS,
        credential,
        custom_endpoint_address="sb://" + os.environ["SERVICE_BUS_CUSTOM_ENDPOINT"],
        transport_type=TransportType.Amqp,
        connection_verify=os.environ["SSL_CERT_FILE"],
        retry_total=0,
    )


def test_a_message_is_sent_and_received(credential):
    with bus(credential) as client:
        with client.get_queue_sender("python") as sender:
            sender.send_messages(ServiceBusMessage(b"sent by Python", message_id="first"))
        with client.get_queue_receiver("python") as receiver:
            [message] = receiver.receive_messages(max_message_count=1, max_wait_time=20)
            assert message.message_id == "first"
            assert b"".join(message.body) == b"sent by Python"
            receiver.complete_message(message)
            assert receiver.peek_messages() == []


def test_a_message_is_refused_without_the_role(bystander):
    with bus(bystander) as client, pytest.raises(ServiceBusError) as refusal:
        with client.get_queue_sender("python") as sender:
            sender.send_messages(ServiceBusMessage(b"never sent"))

    assert "'Send' claim(s) are required to perform this operation" in str(refusal.value)
