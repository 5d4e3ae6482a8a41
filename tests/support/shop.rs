//! A stack `shop` with a Service `app` and an endpoint to it, and the world it is applied to.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here fails the test")]

use std::path::PathBuf;

use serde_json::Value;

pub(crate) use crate::support::scene::{Endpoint, Service};
use crate::support::{Run, STACK, Workplace, edit_json, read_json};

/// The address of the endpoint in these tests.
pub(crate) const ENDPOINT: &str = "PrivateEndpoint/app-pe";

/// A Service with a Private Link Service that is named after it.
pub(crate) fn service(name: &str) -> Service {
    Service::linked(name).annotation("azure-pls-name", &format!("{name}-pls"))
}

/// An endpoint to the Service `app`.
pub(crate) fn endpoint() -> Endpoint {
    Endpoint::new("app-pe", "app")
}

/// A working folder with nothing in it, and a world.
pub(crate) struct Place(Workplace);

impl Place {
    pub(crate) fn new() -> Self {
        Self(Workplace::empty())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn run(&self, words: &str) -> Run {
        self.0.run(words)
    }

    pub(crate) fn write(&self, text: &str) {
        std::fs::write(self.0.path().join("shop.yaml"), format!("{STACK}{text}")).unwrap();
    }

    pub(crate) fn apply(&self, flags: &str) -> Run {
        let apply =
            "apply -f shop.yaml --sandbox=world.json --auto-approve --controller-timeout 30";
        self.0.run(&format!("{apply} {flags}"))
    }

    pub(crate) fn plan(&self, flags: &str) -> Run {
        self.0.run(&format!("plan -f shop.yaml --sandbox=world.json {flags}"))
    }

    /// The plan as JSON.
    #[track_caller]
    pub(crate) fn planned(&self) -> Value {
        let run = self.plan("-o json");
        serde_json::from_str(&run.stdout).map_err(|_| run).unwrap()
    }

    /// Changes what Azure has of the resources whose id ends so.
    pub(crate) fn edit(&self, end: &str, edit: impl Fn(&mut Value)) {
        let edited = edit_json(&self.world(), |world| {
            let resources = world["azure"].as_array_mut().unwrap().iter_mut();
            resources.filter(|it| ends_with(it, end)).map(edit).count()
        });
        assert!(edited > 0, "nothing ends with {end}");
    }

    /// Takes the resources away whose id ends so.
    pub(crate) fn remove(&self, end: &str) {
        edit_json(&self.world(), |world| {
            world["azure"].as_array_mut().unwrap().retain(|it| !ends_with(it, end));
        });
    }

    /// The resource whose id ends so, if Azure has one.
    pub(crate) fn find(&self, end: &str) -> Option<Value> {
        let world = read_json(&self.world());
        world["azure"].as_array().unwrap().iter().find(|it| ends_with(it, end)).cloned()
    }

    /// Whether Azure has a resource whose id ends so.
    pub(crate) fn has(&self, end: &str) -> bool {
        self.find(end).is_some()
    }

    /// The world's file.
    pub(crate) fn world(&self) -> PathBuf {
        self.0.path().join("world.json")
    }
}

fn ends_with(resource: &Value, end: &str) -> bool {
    resource["id"].as_str().unwrap().to_lowercase().ends_with(end)
}

/// The change of a node.
pub(crate) fn change<'a>(plan: &'a Value, address: &str) -> Option<&'a Value> {
    plan["changes"].as_array().unwrap().iter().find(|change| change["address"] == address)
}

pub(crate) fn finding<'a>(plan: &'a Value, code: &str) -> Option<&'a Value> {
    plan["findings"].as_array().unwrap().iter().find(|finding| finding["code"] == code)
}

pub(crate) fn set_status(connection: &mut Value, status: &str) {
    connection["properties"]["privateLinkServiceConnectionState"]["status"] = status.into();
}
