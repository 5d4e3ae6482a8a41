//! A stack that was applied in a world of its own, which somebody then breaks.

use privlink_core::desired::Desired;
use privlink_core::drift::{self, Look, StackReport};
use privlink_core::facts::Facts;
use privlink_core::input::{Input, Options};
use privlink_core::inventory::Inventory;
use privlink_core::join;
use privlink_core::plan::{Mode, Plan, Scope};
use privlink_core::snapshot::Snapshot;
use privlink_engine::apply::apply;
use privlink_sandbox::World;
use serde_json::Value;

use crate::generated::{OWN, desired, planned, session};
use crate::served::{RUNTIME, Served};
use crate::stage::observed;
use crate::support::scene::{Endpoint, Service};

pub(crate) fn options(adopt: bool) -> Options {
    Options {
        mode: Mode::Apply,
        adopt,
        guard: None,
        max_disconnects: Some(99),
        today: None,
        max_deletes: Some(99),
        unprotect: Vec::new(),
        accept: Vec::new(),
        scope: Scope::default(),
        tool_version: "0".to_owned(),
    }
}

pub(crate) fn drift_of(desired: &Desired, snapshot: &Snapshot, facts: &Facts) -> StackReport {
    let options = options(false);
    let live = Inventory::of(snapshot);
    let wanted = join::identify(desired, &live, facts, &options);
    let input = Input::new(&wanted, &live, facts, &options);
    drift::look(&input, &Look { since: None, apply: &["privlink".to_owned(), "apply".to_owned()] })
}

pub(crate) fn read(snapshot: &Value) -> Snapshot {
    serde_json::from_value(snapshot.clone()).unwrap()
}

/// A stack in which one Service has a Private Link Service on a frontend that another shares, and endpoints with a record,
/// with a zone group and from another subscription.
pub(crate) fn shared_frontend() -> Vec<String> {
    let address = "azure-load-balancer-ipv4";
    let web = Service::internal("web")
        .annotation(address, "10.240.0.25")
        .annotation("azure-pls-create", "true")
        .annotation("azure-pls-name", "web-pls")
        .annotation("azure-pls-fqdns", "shop.privatelink.contoso.com")
        .annotation("azure-pls-visibility", "*")
        .line("ports: [{name: http, port: 80}, {name: https, port: 443}]");
    let side = Service::internal("side").annotation(address, "10.240.0.25");
    let side = side.line("ports: [{name: admin, port: 8443}]");
    let stack = format!(
        "apiVersion: privlink.dev/v1alpha1\nkind: Stack\nmetadata: {{name: laws}}\n\
         spec: {{subscription: {OWN}, resourceGroup: myResourceGroup, cluster: myAKSCluster}}\n"
    );
    let record = "dns: {record: {zone: privatelink.contoso.com, name: shop-by-record}}";
    let group = "dns: {zoneGroup: {zones: [privatelink.contoso.com]}}";
    let far = "subscription: 11111111-1111-1111-1111-111111111111\n\
               resourceGroup: consumerResourceGroup\n\
               subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}\n\
               approval: Manual\nrequestMessage: let me in";
    let approval = "apiVersion: privlink.dev/v1alpha1\nkind: EndpointApproval\n\
                    metadata: {name: far}\nspec:\n  \
                    service: {namespace: default, name: web}\n  \
                    approve: [{subscription: 11111111-1111-1111-1111-111111111111}]\n";
    vec![
        stack,
        web.document(),
        side.document(),
        approval.to_owned(),
        Endpoint::new("by-record", "web").lines(record).document(),
        Endpoint::new("by-group", "web").lines(group).document(),
        Endpoint::new("far", "web").lines(far).document(),
    ]
}

/// A stack that was applied, and what is observed of it once the controller has come to rest.
pub(crate) struct Applied {
    pub(crate) desired: Desired,
    pub(crate) snapshot: Value,
    pub(crate) facts: Facts,
}

impl Applied {
    pub(crate) fn of(documents: &[String]) -> Self {
        let served = Served::new(World::first());
        let desired = desired(documents);
        RUNTIME.block_on(async {
            let session = session(&served).await;
            let plan = planned(&desired, &observed(&desired, &session).await, Mode::Apply);
            apply(&plan, &session, |_| ()).await;
        });
        drop(served.world());
        let observed = async { observed(&desired, &session(&served).await).await };
        let (snapshot, facts) = RUNTIME.block_on(observed);
        Self { snapshot: serde_json::to_value(&snapshot).unwrap(), desired, facts }
    }

    /// What a plan and a look for drift say once somebody has broken the world.
    pub(crate) fn broken(&self, by: impl FnOnce(&mut Value)) -> (Plan, StackReport) {
        let mut broken = self.snapshot.clone();
        by(&mut broken);
        let seen = (read(&broken), self.facts.clone());
        let plan = planned(&self.desired, &seen, Mode::Apply);
        (plan, drift_of(&self.desired, &seen.0, &self.facts))
    }
}
