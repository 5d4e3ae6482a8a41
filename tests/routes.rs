//! A catalogue of edits that disconnect somebody when they are done at once: for each, what a route costs, or
//! that there is none. Every route that is found is walked in the sandbox, whose controller then has to do what
//! was printed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;
use support::Workplace;
use support::scene::{self, Endpoint, Service};

/// What stands above the catalogue's rows.
const HEAD: &str = "# A catalogue of routes

Edits as they come up, each from a Service with a Private Link Service and consumers on it, with what
[`privlink route`](route.md) finds. A test walks every route in the sandbox, whose controller has to do what was printed.
\"At once\" needs no route. Where there is none, the number is that of the states that were looked at, which are all
there are within eight edits. \"A failure\" is an edit at which the controller fails when it is done at once.

| edit | consumers disconnected |
|---|---|
";

/// Where the Private Link Services of the sandbox's cluster are.
const LINKS: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/\
    mc_myresourcegroup_myakscluster_eastus/providers/Microsoft.Network/privateLinkServices";

/// A Service as the catalogue writes it: `default/web 443,80 ipv4=10.240.0.25 pls=my-pls`. A word with `=` is
/// an annotation without the part that all of them share; `pls` and `nat` are short for what a Private Link
/// Service needs, `selector`, `type` and `families` are of the spec.
fn service(text: &str) -> String {
    let mut words = text.split_whitespace();
    let (namespace, name) = words.next().unwrap().split_once('/').unwrap();
    let ports = words.next().unwrap();
    let options: Vec<(&str, &str)> = words.map(|word| word.split_once('=').unwrap()).collect();
    let option = |name: &str| options.iter().find(|(key, _)| *key == name).map(|(_, value)| *value);
    let mut annotations = BTreeMap::from([("load-balancer-internal", "true")]);
    if let Some(name) = option("pls") {
        annotations.extend([("pls-create", "true"), ("pls-name", name)]);
        annotations.insert("pls-ip-configuration-subnet", option("nat").unwrap_or("pls-subnet"));
    }
    let mut service = Service::public(name).namespace(namespace);
    for (key, value) in &options {
        match *key {
            "pls" | "nat" => {}
            "selector" => service = service.line(&format!("selector: {{app: {value}}}")),
            "type" => service = service.line(&format!("type: {value}")),
            "families" => service = service.line(&format!("ipFamilyPolicy: {value}")),
            "internal" if *value == "no" => drop(annotations.remove("load-balancer-internal")),
            "ipv4" => drop(annotations.insert("load-balancer-ipv4", value)),
            key => drop(annotations.insert(key, value)),
        }
    }
    for (key, value) in annotations {
        service = service.annotation(&format!("azure-{key}"), value);
    }
    let ports = ports.split(',').map(|it| format!("{{name: p{it}, port: {it}, targetPort: 8443}}"));
    let ports = ports.collect::<Vec<_>>().join(", ");
    service.line(&format!("ports: [{ports}]")).yaml()
}

/// A stack of Services, and of endpoints: `pe default/web`.
fn stack(services: &[&str], endpoints: &[(&str, &str)]) -> String {
    let mut text = scene::stack("").replace("name: shop", "name: routes");
    text.extend(services.iter().map(|it| service(it)));
    for (name, target) in endpoints {
        let target = target.split_once('/').map_or_else(
            || format!("id: {LINKS}/{target}"),
            |(namespace, name)| format!("service: {{namespace: {namespace}, name: {name}}}"),
        );
        let lines = format!("target: {{{target}}}\napproval: Automatic");
        text.push_str(&Endpoint::new(name, "").lines(&lines).yaml());
    }
    text
}

/// One pair.
struct Pair {
    name: &'static str,
    from: &'static [&'static str],
    to: &'static [&'static str],
    /// The endpoints, each with the Service it reaches before and after.
    endpoints: &'static [(&'static str, &'static str, &'static str)],
}

/// Pairs whose one endpoint reaches the same Service before and after, unless it says otherwise.
macro_rules! pairs {
    ($($name:literal: [$($from:literal),*] => [$($to:literal),*] $(with $($endpoint:literal $before:literal $after:literal),+)?;)*) => {
        &[$(Pair {
            name: $name,
            from: &[$($from),*],
            to: &[$($to),*],
            endpoints: &[$($(($endpoint, $before, $after)),+)?],
        }),*]
    };
}

const PAIRS: &[Pair] = pairs! {
    "a gateway in place of a Service, same address and port":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with two ports":
        ["default/nginx 80,443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 80,443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same on another port":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 8443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same for a part of the ports":
        ["default/nginx 80,443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same where spare ports are taken":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls", "default/side 8443,9443 ipv4=10.240.0.25"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/side 8443,9443 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with a second Service beside it":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls", "default/side 81 ipv4=10.240.0.25"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/side 81 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "the same with three endpoints":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25"]
        with "pe-a" "default/nginx" "default/gw", "pe-b" "default/nginx" "default/gw", "pe-c" "default/nginx" "default/gw";
    "the same, and the gateway asks for the Private Link Service too":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/gw 443 ipv4=10.240.0.25 pls=my-pls"]
        with "pe" "default/nginx" "default/gw";
    "a Service moves to another namespace":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["kube-system/web 443 ipv4=10.240.0.25"]
        with "pe" "default/web" "kube-system/web";
    "a Service is renamed":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 443 ipv4=10.240.0.25 selector=web"]
        with "pe" "default/web" "default/shop";
    "a Service is renamed with its annotations":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 443 ipv4=10.240.0.25 pls=my-pls selector=web"]
        with "pe" "default/web" "default/shop";
    "a Service is renamed that has no fixed address":
        ["default/web 443 pls=my-pls"] => ["default/shop 443 pls=my-pls selector=web"]
        with "pe" "default/web" "default/shop";
    "two Services on one address swap their ports":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/a 81 ipv4=10.240.0.25 pls=my-pls", "default/b 80 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/a";
    "the owner of a shared address is deleted":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"] => ["default/b 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "both Services of a shared address are replaced":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/c 80 ipv4=10.240.0.25", "default/d 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/c";
    "one Service in place of two":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"] => ["default/c 80,81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/c";
    "two Services in place of one":
        ["default/a 80,81 ipv4=10.240.0.25 pls=my-pls"] => ["default/b 80 ipv4=10.240.0.25", "default/c 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "the owner of a shared address moves away":
        ["default/a 80 ipv4=10.240.0.25 pls=my-pls", "default/b 81 ipv4=10.240.0.25"]
        => ["default/a 80 ipv4=10.240.0.26", "default/b 81 ipv4=10.240.0.25"]
        with "pe" "default/a" "default/b";
    "another address":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.26 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another address and another port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 444 ipv4=10.240.0.26 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "no fixed address any more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "the address that it has is fixed":
        ["default/web 443 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.6 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another subnet":
        ["default/web 443 pls=my-pls"] => ["default/web 443 load-balancer-internal-subnet=apps-subnet pls=my-pls"]
        with "pe" "default/web" "default/web";
    "back to the cluster's subnet":
        ["default/web 443 load-balancer-internal-subnet=apps-subnet pls=my-pls"] => ["default/web 443 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another subnet and a fixed address":
        ["default/web 443 pls=my-pls"]
        => ["default/web 443 load-balancer-internal-subnet=apps-subnet ipv4=10.241.0.9 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "the Private Link Service is renamed":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=other-pls"]
        with "pe" "default/web" "default/web";
    "the Private Link Service is asked for no more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/web";
    "NAT addresses in another subnet":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls nat=apps-subnet"]
        with "pe" "default/web" "default/web";
    "more NAT addresses":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-ip-configuration-ip-address-count=2"]
        with "pe" "default/web" "default/web";
    "the Private Link Service in another resource group":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-resource-group=myOtherResourceGroup"]
        with "pe" "default/web" "default/web";
    "both families where the cluster has them":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/web 443 ipv4=10.240.0.25 pls=my-pls families=PreferDualStack"]
        with "pe" "default/web" "default/web";
    "PROXY protocol":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-proxy-protocol=true"]
        with "pe" "default/web" "default/web";
    "visible to others":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls pls-visibility=*"]
        with "pe" "default/web" "default/web";
    "internal to public":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 internal=no"]
        with "pe" "default/web" "my-pls";
    "no load balancer any more":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 type=ClusterIP"]
        with "pe" "default/web" "my-pls";
    "the Service is deleted":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls", "default/other 80"] => ["default/other 80"]
        with "pe" "default/web" "my-pls";
    "another port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 444 ipv4=10.240.0.25 pls=my-pls"]
        with "pe" "default/web" "default/web";
    "another selector":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/web 443 ipv4=10.240.0.25 pls=my-pls selector=web-2"]
        with "pe" "default/web" "default/web";
    "two Private Link Services swap their addresses":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/a 443 ipv4=10.240.0.26 pls=pls-a", "default/b 443 ipv4=10.240.0.25 pls=pls-b"]
        with "pe-a" "default/a" "default/a", "pe-b" "default/b" "default/b";
    "two gateways in place of two Services":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/ga 443 ipv4=10.240.0.25", "default/gb 443 ipv4=10.240.0.26"]
        with "pe-a" "default/a" "default/ga", "pe-b" "default/b" "default/gb";
    "a gateway in place of a Service, and another address elsewhere":
        ["default/a 443 ipv4=10.240.0.25 pls=pls-a", "default/b 443 ipv4=10.240.0.26 pls=pls-b"]
        => ["default/ga 443 ipv4=10.240.0.25", "default/b 443 ipv4=10.240.0.27 pls=pls-b"]
        with "pe-a" "default/a" "default/ga", "pe-b" "default/b" "default/b";
    "a gateway takes over, and a Service joins it":
        ["default/nginx 443 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/gw 443 ipv4=10.240.0.25", "default/api 81 ipv4=10.240.0.25"]
        with "pe" "default/nginx" "default/gw";
    "a Service is renamed and changes its port":
        ["default/web 443 ipv4=10.240.0.25 pls=my-pls"] => ["default/shop 444 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/shop";
    "a Service with two ports is replaced by three":
        ["default/web 443,80 ipv4=10.240.0.25 pls=my-pls"]
        => ["default/a 443 ipv4=10.240.0.25", "default/b 80 ipv4=10.240.0.25", "default/c 82 ipv4=10.240.0.25"]
        with "pe" "default/web" "default/a";
};

fn endpoints(pair: &Pair, is_after: bool) -> Vec<(&'static str, &'static str)> {
    let all = pair.endpoints.iter();
    all.map(|(name, before, after)| (*name, if is_after { *after } else { *before })).collect()
}

/// The aliases and connection states that a stack's output shows.
fn shown(place: &Workplace, file: &str) -> Vec<String> {
    let run = place.run(&format!("output -f {file} --sandbox"));
    let lines = run.stdout.lines().filter(|it| it.contains("connection = "));
    lines.map(|it| it.trim().to_owned()).collect()
}

/// Brings a pair's beginning about, asks for the route, and walks it. The row of the catalogue.
fn walk(pair: &Pair) -> String {
    let place = Workplace::empty();
    let write = |name: &str, text: String| std::fs::write(place.path().join(name), text).unwrap();
    write("from.yaml", stack(pair.from, &endpoints(pair, false)));
    write("to.yaml", stack(pair.to, &endpoints(pair, true)));
    let made = place.run("apply -f from.yaml --sandbox --auto-approve --controller-timeout 20");
    assert_eq!(made.code, 0, "{}: {made:?}", pair.name);
    let run = place.run("route -f to.yaml --sandbox -o json --out steps");
    assert_eq!(run.code, 0, "{}: {run:?}", pair.name);
    let route: Value = serde_json::from_str(&run.stdout).unwrap();
    let at_once = route["atOnce"].as_array().unwrap().len();
    let states = route["searched"]["states"].as_u64().unwrap();
    let row = match route["verdict"].as_str().unwrap() {
        "atOnce" => "at once, nobody".to_owned(),
        "none" if route["fails"].is_array() => format!("fails in every order, all {states} states"),
        "none" => format!("none better than {at_once}, all {states} states"),
        "unfinished" => format!("none better than {at_once} found"),
        _ => {
            let cost = &route["cost"];
            let steps = route["steps"].as_array().unwrap();
            for folder in folders(&place) {
                let step = format!("steps/{folder}");
                let limits = format!("--max-disconnects {}", cost["disconnects"]);
                let run = place.run(&format!("apply -f {step} --sandbox --auto-approve {limits}"));
                assert_eq!(run.code, 0, "{}: {step}: {run:?}", pair.name);
                let plan = place.run(&format!("plan -f {step} --sandbox"));
                assert!(
                    plan.last_line().starts_with("No changes"),
                    "{}: {step}: {plan:?}",
                    pair.name
                );
            }
            let end = shown(&place, "to.yaml");
            let kept = end.iter().filter(|it| it.ends_with("Approved")).count();
            if cost["disconnects"] == 0 {
                assert_eq!(kept, pair.endpoints.len(), "{}: {end:?}", pair.name);
            }
            let plan = place.run("plan -f to.yaml --sandbox");
            assert!(plan.last_line().starts_with("No changes"), "{}: {plan:?}", pair.name);
            format!(
                "{} instead of {}, {} steps, {} unserved between",
                cost["disconnects"],
                if route["fails"].is_array() {
                    "a failure".to_owned()
                } else {
                    at_once.to_string()
                },
                steps.len(),
                cost["unserved"]
            )
        }
    };
    format!("| {} | {row} |\n", pair.name)
}

fn folders(place: &Workplace) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(place.path().join("steps"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_pair_of_the_catalogue_has_its_route_or_none() {
    let next = AtomicUsize::new(0);
    let rows = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((number, pair)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    PAIRS.get(number).map(|pair| (number, pair))
                } {
                    let row = walk(pair);
                    rows.lock().unwrap().insert(number, row);
                }
            });
        }
    });
    let rows: String = rows.into_inner().unwrap().into_values().collect();
    support::assert_golden("../docs/route-catalogue.md", &format!("{HEAD}{rows}"));
}

#[test]
fn an_apply_by_route_disconnects_nobody_and_goes_on_from_wherever_it_was_stopped() {
    let pair = &PAIRS[0];
    let place = Workplace::empty();
    let write = |name: &str, text: String| std::fs::write(place.path().join(name), text).unwrap();
    write("from.yaml", stack(pair.from, &endpoints(pair, false)));
    write("to.yaml", stack(pair.to, &endpoints(pair, true)));
    place.run("apply -f from.yaml --sandbox --auto-approve").expect(0);
    let alias = |file: &str| {
        let run = place.run(&format!("output -f {file} --sandbox"));
        run.stdout
            .lines()
            .find(|it| it.contains("alias"))
            .map(|it| it.rsplit(' ').next().unwrap().to_owned())
    };
    let before = alias("from.yaml").unwrap();
    place.run("apply -f to.yaml --sandbox --auto-approve").expect(3);

    // The first step by hand, as a run that was stopped after it leaves the world.
    place.run("route -f to.yaml --sandbox --out steps").expect(0);
    let first = &folders(&place)[0];
    place.run(&format!("apply -f steps/{first} --sandbox --auto-approve")).expect(0);
    let run = place.run("apply -f to.yaml --route --sandbox --auto-approve").expect(0);
    assert!(run.stderr.contains("disconnects nobody"), "{run:?}");
    let plan = place.run("plan -f to.yaml --sandbox");
    assert!(plan.last_line().starts_with("No changes"), "{plan:?}");
    assert!(shown(&place, "to.yaml").iter().all(|it| it.ends_with("Approved")));
    let world =
        std::fs::read_to_string(place.path().join(".privlink/sandbox/routes.json")).unwrap();
    assert!(world.contains(&before), "the Private Link Service is the one that there was");
}

#[test]
fn where_there_is_no_route_an_apply_by_route_refuses_and_says_what_to_do_instead() {
    let pair = PAIRS.iter().find(|it| it.name == "another address").unwrap();
    let place = Workplace::empty();
    let write = |name: &str, text: String| std::fs::write(place.path().join(name), text).unwrap();
    write("from.yaml", stack(pair.from, &endpoints(pair, false)));
    write("to.yaml", stack(pair.to, &endpoints(pair, true)));
    place.run("apply -f from.yaml --sandbox --auto-approve").expect(0);
    let run = place.run("apply -f to.yaml --route --sandbox --auto-approve").expect(3);
    assert!(run.stdout.starts_with("There is no route"), "{run:?}");
    assert!(run.stdout.contains("Instead, with nobody disconnected:"), "{run:?}");
    assert!(run.stdout.contains("recorded"), "the rule is said, and how sure it is: {run:?}");
}
