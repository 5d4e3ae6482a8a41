//! The rules that every security group has (users paste them; learn.microsoft.com, "Network security groups").

use serde_json::{Value, json};

use crate::arm::arm_type::ArmType;

/// Name, description, priority, access, direction, source and destination.
type Default =
    (&'static str, &'static str, i64, &'static str, &'static str, &'static str, &'static str);

const DEFAULTS: [Default; 6] = [
    (
        "AllowVnetInBound",
        "Allow inbound traffic from all VMs in VNET",
        65_000,
        "Allow",
        "Inbound",
        "VirtualNetwork",
        "VirtualNetwork",
    ),
    (
        "AllowAzureLoadBalancerInBound",
        "Allow inbound traffic from azure load balancer",
        65_001,
        "Allow",
        "Inbound",
        "AzureLoadBalancer",
        "*",
    ),
    ("DenyAllInBound", "Deny all inbound traffic", 65_500, "Deny", "Inbound", "*", "*"),
    (
        "AllowVnetOutBound",
        "Allow outbound traffic from all VMs to all VMs in VNET",
        65_000,
        "Allow",
        "Outbound",
        "VirtualNetwork",
        "VirtualNetwork",
    ),
    (
        "AllowInternetOutBound",
        "Allow outbound traffic from all VMs to Internet",
        65_001,
        "Allow",
        "Outbound",
        "*",
        "Internet",
    ),
    ("DenyAllOutBound", "Deny all outbound traffic", 65_500, "Deny", "Outbound", "*", "*"),
];

/// Those of the group with this id and etag.
pub(super) fn of(group: &str, etag: &str) -> Value {
    let rule = |(name, description, priority, access, direction, from, to): &Default| {
        json!({
            "name": name,
            "id": format!("{group}/defaultSecurityRules/{name}"),
            "etag": etag,
            "type": ArmType::NetworkSecurityGroup.child("defaultSecurityRules"),
            "properties": {
                "provisioningState": "Succeeded",
                "description": description,
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": from,
                "destinationAddressPrefix": to,
                "access": access,
                "priority": priority,
                "direction": direction,
                "sourcePortRanges": [],
                "destinationPortRanges": [],
                "sourceAddressPrefixes": [],
                "destinationAddressPrefixes": [],
            },
        })
    };
    Value::Array(DEFAULTS.iter().map(rule).collect())
}
