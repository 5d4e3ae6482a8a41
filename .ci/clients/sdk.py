"""The Azure SDK for Python against the sandbox: what it lists, makes, approves and deletes.

Usage: sdk.py ARM_URL CA_FILE
"""

import sys

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.network import NetworkManagementClient

BASE, CA = sys.argv[1:]
TENANT = "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
CONSUMER = "11111111-1111-1111-1111-111111111111"
GROUP = "MC_myResourceGroup_myAKSCluster_eastus"
IN_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network"
BALANCER = f"{IN_GROUP}/loadBalancers/sdk"

credential = ClientSecretCredential(
    TENANT, "client", "secret", authority=BASE, disable_instance_discovery=True, connection_verify=CA
)


def client(subscription):
    return NetworkManagementClient(
        credential,
        subscription,
        base_url=BASE,
        credential_scopes=[f"{BASE}/.default"],
        connection_verify=CA,
    )


own, consumer = client(SUBSCRIPTION), client(CONSUMER)

assert "aks-vnet" in [network.name for network in own.virtual_networks.list(GROUP)]

# A subnet that takes Private Link Services.
subnet = own.subnets.get(GROUP, "aks-vnet", "pls-subnet")
subnet.private_link_service_network_policies = "Disabled"
subnet = own.subnets.begin_create_or_update(GROUP, "aks-vnet", "pls-subnet", subnet).result()
assert subnet.private_link_service_network_policies == "Disabled"

balancer = own.load_balancers.begin_create_or_update(
    GROUP,
    "sdk",
    {
        "location": "eastus",
        "sku": {"name": "Standard"},
        "properties": {
            "frontendIPConfigurations": [
                {
                    "name": "front",
                    "properties": {
                        "subnet": {"id": f"{IN_GROUP}/virtualNetworks/aks-vnet/subnets/apps-subnet"},
                        "privateIPAllocationMethod": "Dynamic",
                    },
                }
            ],
            "backendAddressPools": [{"name": "back"}],
        },
    },
).result()
assert balancer.provisioning_state == "Succeeded"
assert balancer.frontend_ip_configurations[0].private_ip_address.startswith("10.241.0.")
assert "sdk" in [found.name for found in own.load_balancers.list(GROUP)]

service = own.private_link_services.begin_create_or_update(
    GROUP,
    "sdk-pls",
    {
        "location": "eastus",
        "properties": {
            "loadBalancerFrontendIpConfigurations": [
                {"id": f"{BALANCER}/frontendIPConfigurations/front"}
            ],
            "ipConfigurations": [
                {"name": "nat", "properties": {"subnet": {"id": subnet.id}, "primary": True}}
            ],
            "visibility": {"subscriptions": ["*"]},
        },
    },
).result()
assert service.alias.startswith("sdk-pls.") and service.alias.endswith(".azure.privatelinkservice")
assert "sdk-pls" in [found.name for found in own.private_link_services.list(GROUP)]

# A load balancer with a Private Link Service stays.
try:
    own.load_balancers.begin_delete(GROUP, "sdk").result()
    raise AssertionError("it went")
except HttpResponseError as error:
    assert error.error.code == "CannotDeleteLoadBalancerWithPrivateLinkService", error

# Another subscription asks to connect, and is approved.
endpoint = consumer.private_endpoints.begin_create_or_update(
    "consumerResourceGroup",
    "sdk-pe",
    {
        "location": "eastus",
        "properties": {
            "subnet": {
                "id": f"/subscriptions/{CONSUMER}/resourceGroups/consumerResourceGroup/providers"
                "/Microsoft.Network/virtualNetworks/consumer-vnet/subnets/pe-subnet"
            },
            "manualPrivateLinkServiceConnections": [
                {
                    "name": "ask",
                    "properties": {"privateLinkServiceId": service.id, "requestMessage": "please"},
                }
            ],
        },
    },
).result()


def state(endpoint):
    connection = endpoint.manual_private_link_service_connections[0]
    return connection.private_link_service_connection_state.status


assert state(endpoint) == "Pending", endpoint
connections = list(own.private_link_services.list_private_endpoint_connections(GROUP, "sdk-pls"))
assert len(connections) == 1, connections
connection = connections[0]
assert connection.private_link_service_connection_state.description == "please"
connection.private_link_service_connection_state.status = "Approved"
own.private_link_services.update_private_endpoint_connection(
    GROUP, "sdk-pls", connection.name, connection
)
assert state(consumer.private_endpoints.get("consumerResourceGroup", "sdk-pe")) == "Approved"

# Away with it all, the service with its connection first in vain.
try:
    own.private_link_services.begin_delete(GROUP, "sdk-pls").result()
    raise AssertionError("it went")
except HttpResponseError as error:
    code = "PrivateLinkServiceWithPrivateEndpointConnectionsCannotBeDeleted"
    assert error.error.code == code, error
consumer.private_endpoints.begin_delete("consumerResourceGroup", "sdk-pe").result()
own.private_link_services.begin_delete(GROUP, "sdk-pls").result()
own.load_balancers.begin_delete(GROUP, "sdk").result()
try:
    own.load_balancers.get(GROUP, "sdk")
    raise AssertionError("it is still there")
except ResourceNotFoundError as error:
    assert error.error.code == "ResourceNotFound", error
print("azure-mgmt-network: all well")
