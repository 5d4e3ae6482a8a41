//! What is done side by side, and what one after the other.

use std::time::Duration;

use privlink_sandbox::{Entry, World};

use crate::served::{Scene, Served};
use crate::shop::service;
use crate::support::STACK;

/// A stack of two Private Link Services: two endpoints in one subnet reach the first, one in another
/// subscription reaches the second.
fn two_links() -> String {
    let visible = "    service.beta.kubernetes.io/azure-pls-visibility: \"*\"\n";
    let endpoint = |name: &str, service: &str, place: &str| {
        format!(
            "---\napiVersion: privlink.dev/v1alpha1\nkind: PrivateEndpoint\nmetadata: {{name: {name}}}\n\
             spec:\n  target: {{service: {{namespace: default, name: {service}}}}}\n  approval: Manual\n{place}"
        )
    };
    let near = "  resourceGroup: myOtherResourceGroup\n  \
                subnet: {virtualNetwork: myOtherVNET, name: pe-subnet}\n";
    let far = "  subscription: 11111111-1111-1111-1111-111111111111\n  \
               resourceGroup: consumerResourceGroup\n  \
               subnet: {virtualNetwork: consumer-vnet, name: pe-subnet}\n";
    [
        STACK.to_owned(),
        service("one").lines(visible).yaml(),
        service("two").lines(visible).yaml(),
        endpoint("near-1", "one", near),
        endpoint("near-2", "one", near),
        endpoint("far", "two", far),
    ]
    .concat()
}

/// The time in which an endpoint was written: from the arrival of its PUT until it was read once the
/// operation had ended, in numbers of requests.
fn span(requests: &[Entry], name: &str) -> (u64, u64) {
    let of = |method: &str, after: u64| {
        requests
            .iter()
            .filter(|it| it.method == method && it.sequence > after)
            .find(|it| it.path.contains(&format!("/privateEndpoints/{name}?")))
            .map(|it| it.sequence)
    };
    let begun = of("PUT", 0).unwrap();
    (begun, of("GET", begun).unwrap())
}

#[test]
fn writes_to_one_subnet_and_link_never_overlap_and_independent_ones_do() {
    let served = Served::with(World::first(), |options| {
        options.operation_polls = 20;
        options.latency = Duration::from_millis(20);
    });
    std::fs::write(served.path().join("shop.yaml"), two_links()).unwrap();
    served.run("apply -f shop.yaml --auto-approve --parallelism 8").expect(6);
    let requests = served.requests();
    let conflicts: Vec<&Entry> = requests.iter().filter(|it| it.status == 409).collect();
    assert!(conflicts.is_empty(), "{conflicts:?}");
    let overlap = |one: (u64, u64), other: (u64, u64)| one.0 < other.1 && other.0 < one.1;
    let [near, next, far] = ["near-1", "near-2", "far"].map(|name| span(&requests, name));
    assert!(!overlap(near, next), "{near:?} {next:?}");
    assert!(overlap(far, near) || overlap(far, next), "{far:?} {near:?} {next:?}");
    // One at a time, if asked for.
    let served = Served::with(World::first(), |options| options.operation_polls = 20);
    std::fs::write(served.path().join("shop.yaml"), two_links()).unwrap();
    served.run("apply -f shop.yaml --auto-approve --parallelism 1").expect(6);
    let requests = served.requests();
    let [near, next, far] = ["near-1", "near-2", "far"].map(|name| span(&requests, name));
    assert!(!overlap(near, next) && !overlap(near, far) && !overlap(next, far));
}

/// The two Services of a stack, at these addresses.
fn at_addresses(one: &str, two: &str) -> String {
    let addressed = |name: &str, address: &str, port: u16| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  annotations:\n    \
             service.beta.kubernetes.io/azure-load-balancer-internal: \"true\"\n    \
             service.beta.kubernetes.io/azure-load-balancer-ipv4: {address}\n\
             spec: {{type: LoadBalancer, selector: {{app: {name}}}, ports: [{{port: {port}}}]}}\n"
        )
    };
    [STACK.to_owned(), addressed("one", one, 80), addressed("two", two, 81)].concat()
}

#[test]
fn services_on_one_frontend_are_written_one_after_the_other() {
    for (addresses, waits) in
        [(["10.240.0.40", "10.240.0.40"], true), (["10.240.0.40", "10.240.0.41"], false)]
    {
        let served = Served::with(World::first(), |options| {
            options.latency = Duration::from_millis(20);
            options.controller_delay = Duration::from_millis(500);
        });
        let text = at_addresses(addresses[0], addresses[1]);
        std::fs::write(served.path().join("shop.yaml"), text).unwrap();
        served.run("apply -f shop.yaml --auto-approve").expect(0);
        let requests = served.requests();
        let written = |name: &str| {
            let path = format!("/services/{name}?");
            let is_it = |it: &&Entry| {
                it.method == "PATCH" && it.path.contains(&path) && !it.path.contains("dryRun")
            };
            requests.iter().find(is_it).unwrap().sequence
        };
        // Between the two the load balancer is read until it has the first one's frontend.
        let (first, second) = (written("one"), written("two"));
        let between = requests.iter().filter(|it| first < it.sequence && it.sequence < second);
        let reads = between.filter(|it| it.side == "azure").count();
        assert_eq!(reads > 0, waits, "{addresses:?}: {first} {second}");
    }
}

#[test]
fn events_are_read_before_what_they_tell_of() {
    let scene = Scene::of("private-link");
    let served = scene.serve();
    served.run("plan -f examples/private-link").expect(0);
    let requests = served.requests();
    let first = |part: &str| requests.iter().position(|it| it.path.contains(part)).unwrap();
    let (events, balancers, links) =
        (first("/events?"), first("/loadBalancers?"), first("/privateLinkServices?"));
    assert!(events < balancers && events < links, "{events} {balancers} {links}");
}
