//! Fault cells: each kind of thing that privlink writes ends `Failed` or `Canceled` in Azure, while it is created,
//! re-created or deleted, and Azure refuses each kind of thing that the controller writes. The run says so, or
//! the controller's next try brought it about; the next run, without the fault, ends as if there had been none.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]
#![allow(clippy::print_stdout, reason = "the numbers are part of what is shown")]

#[path = "support/bazaar.rs"]
mod bazaar;
#[path = "support/served.rs"]
mod served;
mod support;

use bazaar::{Version, documents};
use privlink_sandbox::{Effect, Fault, World};
use serde_json::Value;
use served::{Served, difference, portrait, side_by_side};

const APPLY: &str = "apply -f bazaar.yaml --auto-approve --max-disconnects 9 --max-deletes 99 --accept becomes-public --controller-timeout 30";
const DESTROY: &str = "destroy -f bazaar.yaml --auto-approve --max-disconnects 9 --max-deletes 99 --controller-timeout 30";

/// The kinds that privlink writes, by a part of their paths, and their type in Azure.
const KINDS: [(&str, &str); 4] = [
    ("/privateEndpoints/", "Microsoft.Network/privateEndpoints"),
    ("/privateDnsZoneGroups/", "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"),
    ("/privateDnsZones/privatelink.contoso.com/A/", "Microsoft.Network/privateDnsZones/A"),
    ("/privateEndpointConnections/", ""),
];

fn want(served: &Served, version: Version) {
    std::fs::write(served.path().join("bazaar.yaml"), documents(version)).unwrap();
}

/// A world in which the whole stack was applied.
fn applied() -> Served {
    let served = Served::new(World::first());
    want(&served, Version::Whole);
    served.run(APPLY).expect(0);
    served
}

/// What is done while a kind fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Create,
    Replace,
    Open,
    Close,
    Destroy,
}

impl Deed {
    const ALL: [Self; 5] = [Self::Create, Self::Replace, Self::Open, Self::Close, Self::Destroy];

    fn begin(self) -> Served {
        if self == Self::Create {
            let served = Served::new(World::first());
            want(&served, Version::Whole);
            return served;
        }
        let served = applied();
        match self {
            Self::Replace => want(&served, Version::Moved),
            Self::Open => want(&served, Version::Public),
            Self::Close => {
                want(&served, Version::Public);
                served.run(Self::Open.words()).expect(0);
                want(&served, Version::Whole);
            }
            Self::Create | Self::Destroy => {}
        }
        served
    }

    const fn words(self) -> &'static str {
        if matches!(self, Self::Destroy) { DESTROY } else { APPLY }
    }
}

/// What the controller writes in a deed, by the method and a part of the path.
const OF_CONTROLLER: [(Deed, &str, &str); 11] = [
    (Deed::Create, "PUT", "/loadBalancers/"),
    (Deed::Create, "PUT", "/privateLinkServices/"),
    (Deed::Replace, "PUT", "/loadBalancers/"),
    (Deed::Replace, "PUT", "/privateLinkServices/"),
    (Deed::Replace, "DELETE", "/privateLinkServices/"),
    (Deed::Replace, "DELETE", "/privateEndpointConnections/"),
    (Deed::Open, "PUT", "/networkSecurityGroups/"),
    (Deed::Open, "PUT", "/publicIPAddresses/"),
    (Deed::Close, "DELETE", "/publicIPAddresses/"),
    (Deed::Destroy, "DELETE", "/privateLinkServices/"),
    (Deed::Destroy, "DELETE", "/loadBalancers/"),
];

/// Carries a deed out with a fault, and again without it. Whether the fault struck, or what is wrong.
fn cell(deed: Deed, fault: Fault, expected: &Value) -> Result<bool, String> {
    let what = format!("{deed:?} while {:?} {:?}: {:?}", fault.method, fault.path, fault.effect);
    let is_controllers = matches!(fault.effect, Effect::FailedSync { .. });
    let served = deed.begin();
    served.add_faults([fault]);
    let first = served.run(deed.words());
    let struck = served.struck().iter().sum::<u32>() > 0;
    served.clear_faults();
    let differs = || match is_controllers {
        true => difference(&without_tries(expected), &without_tries(&portrait(&served.world()))),
        false => difference(expected, &portrait(&served.world())),
    };
    let wrong = |why: String| Err(format!("{what}: {why}"));
    // What Azure failed is never told to be done. The controller tries again by itself.
    if struck && first.code == 0 {
        let difference = differs();
        if !is_controllers || difference.is_some() {
            return wrong(format!("done, and {difference:?}: {}{}", first.stdout, first.stderr));
        }
    }
    let second = served.run(deed.words());
    if second.code != 0 {
        return wrong(format!("again: {}: {}{}", second.code, second.stdout, second.stderr));
    }
    let destroy = if deed == Deed::Destroy { "--destroy" } else { "" };
    let plan = served.run(&format!("plan -f bazaar.yaml --detailed-exitcode {destroy}"));
    if plan.code != 0 {
        return wrong(format!("a plan after it: {}", plan.stdout));
    }
    match differs() {
        Some(difference) => wrong(difference),
        None => Ok(struck),
    }
}

/// How a write fails.
fn failures(path: &str) -> Vec<Effect> {
    // The write of a record is no operation: it is refused.
    if path.contains("/A/") {
        return vec![served::refused(400, "BadRequest", None)];
    }
    let failed = |canceled| Effect::FailedOperation {
        code: "SubnetIsFull".into(),
        message: "no".into(),
        canceled,
    };
    vec![failed(false), failed(true)]
}

/// The world after a deed that nothing disturbs.
fn expected(deed: Deed) -> Value {
    let served = deed.begin();
    served.run(deed.words()).expect(0);
    portrait(&served.world())
}

/// Runs cells; how many of them struck, of each kind.
fn run(cells: &[(Deed, Fault, Value)]) -> Vec<bool> {
    let outcomes =
        side_by_side(4, cells, |(deed, fault, expected)| cell(*deed, fault.clone(), expected));
    let wrong: Vec<&String> = outcomes.iter().filter_map(|it| it.as_ref().err()).collect();
    let struck: Vec<bool> = outcomes.iter().map(|it| *it.as_ref().unwrap_or(&false)).collect();
    let met = struck.iter().filter(|it| **it).count();
    println!("{} fault cells, {met} struck, {} wrong", cells.len(), wrong.len());
    assert!(wrong.is_empty(), "{wrong:#?}");
    struck
}

/// Every kind that privlink writes fails while it is written and while it is deleted.
fn of_own(is_meant: fn(&Effect) -> bool) {
    let mut cells = Vec::new();
    for deed in [Deed::Create, Deed::Replace, Deed::Destroy] {
        let expected = expected(deed);
        for (path, _) in KINDS {
            for (method, effect) in ["PUT", "DELETE"]
                .into_iter()
                .flat_map(|method| failures(path).into_iter().map(move |it| (method, it)))
                .filter(|(_, effect)| is_meant(effect))
            {
                let fault = Fault {
                    method: Some(method.to_owned()),
                    path: Some(path.to_owned()),
                    times: 1,
                    effect,
                    ..Fault::default()
                };
                cells.push((deed, fault, expected.clone()));
            }
        }
    }
    let struck = run(&cells);
    assert!(struck.iter().filter(|it| **it).count() > cells.len() / 3);
}

const fn is_canceled(effect: &Effect) -> bool {
    matches!(effect, Effect::FailedOperation { canceled: true, .. })
}

#[test]
fn what_fails_while_it_is_written_is_written_by_the_next_run() {
    of_own(|effect| !is_canceled(effect));
}

#[test]
#[ignore = "takes minutes: part of .ci/full"]
fn what_is_canceled_while_it_is_written_is_written_by_the_next_run() {
    of_own(is_canceled);
}

#[test]
fn what_the_controller_fails_to_write_is_brought_about_or_told() {
    let worlds = Deed::ALL.map(expected);
    let of = |deed: Deed| worlds[Deed::ALL.iter().position(|it| *it == deed).unwrap()].clone();
    let cells = OF_CONTROLLER.map(|(deed, method, write)| {
        let effect = Effect::FailedSync {
            method: Some(method.to_owned()),
            write: write.to_owned(),
            status: 400,
            code: "SubnetIsFull".to_owned(),
            message: "no".to_owned(),
        };
        (deed, Fault { times: 1, effect, ..Fault::default() }, of(deed))
    });
    let struck = run(&cells);
    let unmet = OF_CONTROLLER.into_iter().zip(struck).filter(|(_, struck)| !struck);
    let unmet: Vec<_> = unmet.map(|(cell, _)| cell).collect();
    assert!(unmet.is_empty(), "nothing writes {unmet:?}");
}

/// A portrait without what Azure hands out anew at each try, and without the annotation by which privlink makes
/// the controller try again.
fn without_tries(portrait: &Value) -> Value {
    match portrait {
        Value::String(text) => without_guids(text).into(),
        Value::Array(items) => {
            items.iter().filter(|it| it["manager"] != "privlink-sync").map(without_tries).collect()
        }
        Value::Object(fields) => fields
            .iter()
            .filter(|(key, _)| !["linkIdentifier", "privlink.dev/sync"].contains(&key.as_str()))
            .map(|(key, value)| (without_guids(key), without_tries(value)))
            .collect(),
        other => other.clone(),
    }
}

/// A text with a word for each guid that is no subscription's.
fn without_guids(text: &str) -> String {
    let is_guid = |text: &str| {
        text.len() == 36
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    let is_subscription =
        |guid: &str| guid.bytes().all(|it| it == b'-' || it == guid.as_bytes()[0]);
    let (mut kept, mut rest) = (String::new(), text);
    while let Some(next) = rest.chars().next() {
        let guid = rest.get(..36).filter(|it| is_guid(it) && !is_subscription(it));
        let length = guid.map_or(next.len_utf8(), str::len);
        match guid {
            Some(_) => kept.push_str("GUID"),
            None => kept.push(next),
        }
        rest = &rest[length..];
    }
    kept
}

#[test]
fn what_azure_shows_as_failed_or_canceled_is_written_again_whatever_it_is() {
    let kinds = KINDS.into_iter().filter(|(_, kind)| !kind.is_empty());
    let cells: Vec<(&str, &str)> =
        kinds.flat_map(|(_, kind)| ["Failed", "Canceled"].map(|state| (kind, state))).collect();
    side_by_side(3, &cells, |(kind, state)| {
        let served = applied();
        let expected = portrait(&served.world());
        let document = served.world().to_json();
        let broken = broken(document, kind, state);
        served.edit(|world| {
            *world = World::from_json(broken, std::path::Path::new("world.json")).unwrap()
        });
        let plan = served.run("plan -f bazaar.yaml --detailed-exitcode").expect(2);
        let row = format!("provisioningState {state} -> Succeeded");
        assert!(plan.stdout.contains(&row), "{kind}: {}", plan.stdout);
        served.run("drift -f bazaar.yaml").expect(2);
        served.run(APPLY).expect(0);
        served.run("plan -f bazaar.yaml --detailed-exitcode").expect(0);
        assert_eq!(difference(&expected, &portrait(&served.world())), None, "{kind} {state}");
    });
}

/// What the controller writes, and what it stands on, is told: privlink does not write it.
#[test]
fn what_azure_failed_of_the_controllers_is_told_by_plan_and_drift() {
    let kinds = [
        "loadBalancers",
        "privateLinkServices",
        "publicIPAddresses",
        "networkSecurityGroups",
        "virtualNetworks/subnets",
    ];
    let cells: Vec<(&str, &str)> = kinds
        .into_iter()
        .flat_map(|kind| ["Failed", "Canceled"].map(|state| (kind, state)))
        .collect();
    side_by_side(3, &cells, |(kind, state)| {
        let served = applied();
        want(&served, Version::Public);
        served.run(APPLY).expect(0);
        let broken = match *kind {
            "virtualNetworks/subnets" => subnets_broken(served.world().to_json(), state),
            kind => broken(served.world().to_json(), &format!("Microsoft.Network/{kind}"), state),
        };
        served.edit(|world| {
            *world = World::from_json(broken, std::path::Path::new("world.json")).unwrap()
        });
        let plan = served.run("plan -f bazaar.yaml");
        let words = format!("its provisioningState is {state}");
        let told = plan.stdout.split_whitespace().collect::<Vec<_>>().join(" ").replace("│ ", "");
        assert!(told.contains(&words), "{kind} {state}: {}", plan.stdout);
        let drift = served.run("drift -f bazaar.yaml -o json").expect(2).stdout;
        assert!(drift.contains("provisioning-failed"), "{kind} {state}: {drift}");
    });
}

/// A world in which the subnets of the cluster's network are in this state.
fn subnets_broken(mut world: Value, state: &str) -> Value {
    for resource in world["azure"].as_array_mut().unwrap() {
        if resource["type"] == "Microsoft.Network/virtualNetworks/subnets" {
            resource["properties"]["provisioningState"] = state.into();
        }
        for subnet in resource["properties"]["subnets"].as_array_mut().into_iter().flatten() {
            subnet["properties"]["provisioningState"] = state.into();
        }
    }
    world
}

/// A world in which the first resource of a kind is in this state.
fn broken(mut world: Value, kind: &str, state: &str) -> Value {
    let mut resources = world["azure"].as_array_mut().unwrap().iter_mut();
    let resource = resources.find(|it| it["type"] == kind).unwrap();
    resource["properties"]["provisioningState"] = state.into();
    world
}
