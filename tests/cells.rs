//! Fault cells: each kind of thing that privlink writes fails in Azure, while it is created, re-created or
//! deleted. The run says so; the next one, without the fault, ends as if there had been none.

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

const APPLY: &str = "apply -f bazaar.yaml --auto-approve --max-disconnects 9 --max-deletes 99 --controller-timeout 30";
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
    Destroy,
}

impl Deed {
    fn begin(self) -> Served {
        match self {
            Self::Create => {
                let served = Served::new(World::first());
                want(&served, Version::Whole);
                served
            }
            Self::Replace => {
                let served = applied();
                want(&served, Version::Moved);
                served
            }
            Self::Destroy => applied(),
        }
    }

    const fn words(self) -> &'static str {
        if matches!(self, Self::Destroy) { DESTROY } else { APPLY }
    }
}

/// One cell; what is wrong with it.
fn cell(deed: Deed, (method, path): (&str, &str), expected: &Value) -> Option<String> {
    let served = deed.begin();
    // The write of a record is no operation: it is refused.
    let failed = match path.contains("/A/") {
        true => served::refused(400, "BadRequest", None),
        false => Effect::FailedOperation { code: "SubnetIsFull".into(), message: "no".into() },
    };
    served.add_faults([Fault {
        method: Some(method.to_owned()),
        path: Some(path.to_owned()),
        times: 1,
        effect: failed,
        ..Fault::default()
    }]);
    let first = served.run(deed.words());
    let struck = served.struck().iter().sum::<u32>();
    served.clear_faults();
    let what = format!("{deed:?} while {method} {path} fails");
    // What Azure failed is never told to be done.
    if struck > 0 && first.code == 0 {
        return Some(format!("{what}: {}{}", first.stdout, first.stderr));
    }
    let second = served.run(deed.words());
    if second.code != 0 {
        return Some(format!("{what}, again: {}: {}{}", second.code, second.stdout, second.stderr));
    }
    let destroy = if deed == Deed::Destroy { "--destroy" } else { "" };
    let plan = served.run(&format!("plan -f bazaar.yaml --detailed-exitcode {destroy}"));
    if plan.code != 0 {
        return Some(format!("{what}, a plan after it: {}", plan.stdout));
    }
    difference(expected, &portrait(&served.world())).map(|it| format!("{what}: {it}"))
}

#[test]
fn what_fails_while_it_is_written_is_written_by_the_next_run() {
    let mut cells = Vec::new();
    for deed in [Deed::Create, Deed::Replace, Deed::Destroy] {
        let served = deed.begin();
        served.run(deed.words()).expect(0);
        let expected = portrait(&served.world());
        for (path, _) in KINDS {
            cells.extend(["PUT", "DELETE"].map(|method| (deed, method, path, expected.clone())));
        }
    }
    let wrong = side_by_side(4, &cells, |(deed, method, path, expected)| {
        cell(*deed, (method, path), expected)
    });
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    println!("{} fault cells, {} wrong", cells.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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

/// A world in which the first resource of a kind is in this state.
fn broken(mut world: Value, kind: &str, state: &str) -> Value {
    let mut resources = world["azure"].as_array_mut().unwrap().iter_mut();
    let resource = resources.find(|it| it["type"] == kind).unwrap();
    resource["properties"]["provisioningState"] = state.into();
    world
}
