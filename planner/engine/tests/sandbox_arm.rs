//! Observation and the ARM client against the sandbox, its controller at work.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use privlink_azure::{
    ArmClient, Cloud, Deletion, Environment, ErrorKind, Identity, Precondition, Retry, Settings,
    Wait,
};
use privlink_core::facts::{Fact, Facts, Origin};
use privlink_core::group::{Cluster, Group};
use privlink_core::resource_id::ResourceId;
use privlink_core::snapshot::{Observation, Reading, Snapshot};
use privlink_engine::observe::{Targets, observe};
use privlink_kubernetes::{Connection, KubernetesClient};
use privlink_sandbox::world::{GROUP, SUBSCRIPTION};
use privlink_sandbox::{Effect, Fault, Running, Sandbox, SandboxOptions};
use serde_json::{Value, json};

const LONG: Duration = Duration::from_secs(30);
const QUICKLY: Retry = Retry {
    attempts: 4,
    first_delay: Duration::from_millis(5),
    longest_delay: Duration::from_millis(20),
};
const NODE_GROUP: &str = "MC_myResourceGroup_myAKSCluster_eastus";

struct Setting {
    sandbox: Running,
    kubernetes: KubernetesClient,
    arm: ArmClient,
}

impl Setting {
    async fn new() -> Self {
        let sandbox = Sandbox::start(SandboxOptions::in_memory()).await.unwrap();
        let url = sandbox.kubernetes_url.clone();
        let connection = Connection::Url {
            url,
            token: Some(String::from("sandbox")),
            namespace: String::from("default"),
        };
        let settings = privlink_kubernetes::Settings::default();
        let kubernetes = KubernetesClient::connect(&connection, settings).await.unwrap();
        let cloud =
            Cloud::custom(&sandbox.arm_url, "https://arm", "https://login.invalid").unwrap();
        let settings = Settings {
            reads: QUICKLY,
            poll_interval: Duration::from_millis(20),
            ..Settings::default()
        };
        let identity = Identity::Token("sandbox".into());
        let environment = Environment::of(BTreeMap::new());
        let arm = ArmClient::new(&cloud, &identity, &environment, settings).unwrap();
        Self { sandbox, kubernetes, arm }
    }

    /// With the AKS documentation's Service, and what the controller makes of it.
    async fn with_service() -> Self {
        let setting = Self::new().await;
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "internal-app", "namespace": "default",
                "annotations": {
                    "service.beta.kubernetes.io/azure-load-balancer-internal": "true",
                    "service.beta.kubernetes.io/azure-pls-create": "true",
                    "service.beta.kubernetes.io/azure-pls-name": "internal-pls",
                },
            },
            "spec": {
                "type": "LoadBalancer", "selector": {"app": "internal-app"},
                "ports": [{"port": 80}],
            },
        });
        setting.kubernetes.apply_service(&service, false).await.unwrap();
        assert!(setting.sandbox.controller_idle(LONG).await);
        setting
    }

    async fn observe(&self) -> Snapshot {
        observe(&targets(), Some(&self.kubernetes), &self.arm).await
    }

    fn fault(&self, method: &str, path: &str, effect: Effect) {
        let fault = Fault {
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            times: 1,
            effect,
            ..Fault::default()
        };
        self.sandbox.add_faults([fault]);
    }
}

fn targets() -> Targets {
    let group = Group::new(SUBSCRIPTION, GROUP);
    Targets {
        cluster: Some(Cluster { group, name: String::from("myAKSCluster") }),
        endpoint_subscriptions: BTreeSet::from([SUBSCRIPTION.to_owned()]),
        virtual_network_groups: BTreeSet::from([Group::new(SUBSCRIPTION, "myOtherResourceGroup")]),
        ..Targets::default()
    }
}

fn private_link_service() -> ResourceId {
    let kind = "Microsoft.Network/privateLinkServices";
    ResourceId::in_group(SUBSCRIPTION, NODE_GROUP, kind, "internal-pls")
}

fn endpoint() -> ResourceId {
    let kind = "Microsoft.Network/privateEndpoints";
    ResourceId::in_group(SUBSCRIPTION, "myOtherResourceGroup", kind, "myAKSServicePE")
}

fn endpoint_body() -> Value {
    let kind = "Microsoft.Network/virtualNetworks";
    let network = ResourceId::in_group(SUBSCRIPTION, "myOtherResourceGroup", kind, "myOtherVNET");
    json!({
        "location": "eastus",
        "tags": {"privlink.dev-stack": "shop"},
        "properties": {
            "subnet": {"id": network.child("subnets", "pe-subnet").as_str()},
            "privateLinkServiceConnections": [{
                "name": "connectToMyK8sService",
                "properties": {"privateLinkServiceId": private_link_service().as_str()},
            }],
        },
    })
}

fn wait() -> Wait<'static> {
    Wait::quietly(LONG)
}

#[tokio::test]
async fn the_first_world_is_readable_and_tells_its_facts() {
    let setting = Setting::new().await;
    let snapshot = setting.observe().await;
    for (path, reading) in &snapshot.azure {
        assert!(matches!(reading, Reading::Present(_)), "{path}: {reading:?}");
    }
    let facts = targets().facts(&snapshot, &Facts::default());
    assert_eq!((facts.resource_group.as_str(), facts.location.as_str()), (NODE_GROUP, "eastus"));
    assert_eq!((facts.virtual_network.as_str(), facts.subnet.as_str()), ("aks-vnet", "aks-subnet"));
    assert_eq!(facts.zones, ["1", "2", "3"]);
    assert_eq!(facts.security_group, "aks-agentpool-nsg");
    assert_eq!(facts.source(Fact::ResourceGroup), Origin::Read);
    assert_eq!(facts.source(Fact::Zones), Origin::Assumed);
    assert_ne!(facts.source(Fact::Subnet), Origin::Assumed);
}

#[tokio::test]
async fn an_endpoint_is_made_once_seen_from_both_ends_and_deleted() {
    let setting = Setting::with_service().await;
    let arm = &setting.arm;
    let (id, body) = (endpoint(), endpoint_body());
    let made = arm.put(&id, &body, &Precondition::Absent, &wait()).await.unwrap();
    assert_eq!(made["properties"]["provisioningState"], "Succeeded");
    let again = arm.put(&id, &body, &Precondition::Absent, &wait()).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::Stale);
    let moved = Precondition::IfMatch(String::from("W/\"not-it\""));
    let stale = arm.put(&id, &made, &moved, &wait()).await.unwrap_err();
    assert_eq!(stale.kind, ErrorKind::Stale, "{stale}");
    let etag = Precondition::IfMatch(made["etag"].as_str().unwrap().to_owned());
    arm.put(&id, &made, &etag, &wait()).await.unwrap();

    let snapshot = setting.observe().await;
    let Observation::Present(service) = snapshot.resource(&private_link_service()) else {
        panic!("{:?}", snapshot.resource(&private_link_service()));
    };
    let theirs = &service["properties"]["privateEndpointConnections"][0]["properties"];
    assert_eq!(ResourceId::new(theirs["privateEndpoint"]["id"].as_str().unwrap()), id);
    let Observation::Present(live) = snapshot.resource(&id) else { panic!("{id}") };
    let ours = &live["properties"]["privateLinkServiceConnections"][0]["properties"];
    let status = |view: &Value| view["privateLinkServiceConnectionState"]["status"].clone();
    assert_eq!((status(ours), status(theirs)), (json!("Approved"), json!("Approved")));
    let facts = targets().facts(&snapshot, &Facts::default());
    assert_eq!(facts.source(Fact::Zones), Origin::Inferred);
    assert_eq!(facts.source(Fact::DisableOutboundSnat), Origin::Inferred);

    let delete = async || arm.delete(&id, &Precondition::None, &wait()).await.unwrap();
    assert_eq!(delete().await, Deletion::Deleted);
    assert_eq!(delete().await, Deletion::WasAbsent);
    assert_eq!(arm.get(&id).await.unwrap(), None);
}

#[tokio::test]
async fn a_write_survives_what_can_happen_to_its_reply() {
    for effect in [Effect::LostAnswer, Effect::HalfAnswer] {
        let setting = Setting::with_service().await;
        setting.fault("PUT", "privateEndpoints", effect.clone());
        let written =
            setting.arm.put(&endpoint(), &endpoint_body(), &Precondition::Absent, &wait()).await;
        assert_eq!(written.unwrap()["properties"]["provisioningState"], "Succeeded", "{effect:?}");
        assert_eq!(setting.arm.calls().writes, 1, "{effect:?}");
    }
}

#[tokio::test]
async fn a_write_that_did_not_arrive_is_an_error_and_leaves_nothing() {
    let throttled = Effect::Status {
        status: 429,
        code: String::from("SubscriptionRequestsThrottled"),
        message: String::from("slow down"),
        retry_after: Some(7),
    };
    for (effect, kind) in [(Effect::Reset, ErrorKind::Transient), (throttled, ErrorKind::Throttled)]
    {
        let setting = Setting::with_service().await;
        setting.fault("PUT", "privateEndpoints", effect);
        let outcome =
            setting.arm.put(&endpoint(), &endpoint_body(), &Precondition::Absent, &wait()).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.is_retryable());
        assert_eq!(setting.arm.get(&endpoint()).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_operation_that_fails_says_what_azure_said() {
    let setting = Setting::with_service().await;
    let (code, message) = (String::from("SubnetIsFull"), String::from("pe-subnet is full"));
    setting.fault(
        "PUT",
        "privateEndpoints",
        Effect::FailedOperation { code, message, canceled: false },
    );
    let outcome =
        setting.arm.put(&endpoint(), &endpoint_body(), &Precondition::Absent, &wait()).await;
    let error = outcome.unwrap_err();
    assert!(error.has_code("SubnetIsFull"), "{error}");
    assert!(error.to_string().contains("pe-subnet is full"), "{error}");
    assert_eq!(error.kind, ErrorKind::Invalid);
}

#[tokio::test]
async fn observation_survives_resets_and_names_what_it_could_not_read() {
    let setting = Setting::with_service().await;
    setting.fault("GET", "loadBalancers", Effect::Reset);
    setting.fault("GET", "networkInterfaces", Effect::HalfAnswer);
    let forbidden = Effect::Status {
        status: 403,
        code: String::from("AuthorizationFailed"),
        message: String::from("no right to read private endpoints"),
        retry_after: None,
    };
    setting.fault("GET", "privateEndpoints", forbidden);
    setting.fault("GET", "privateLinkServices", Effect::WrongContentType);
    let snapshot = setting.observe().await;
    let unreadable: Vec<_> = snapshot
        .azure
        .iter()
        .filter_map(|(path, reading)| match reading {
            Reading::Unreadable(why) => Some((path.rsplit('/').next().unwrap(), why.as_str())),
            Reading::Present(_) | Reading::Absent => None,
        })
        .collect();
    let names: Vec<_> = unreadable.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["privateendpoints", "privatelinkservices"], "{unreadable:?}");
    assert!(unreadable[0].1.contains("no right to read private endpoints"));
    assert!(matches!(snapshot.resource(&endpoint()), Observation::Unreadable(_)));
}
