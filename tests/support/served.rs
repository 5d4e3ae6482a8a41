//! A sandbox served by the test's own process, and the binary as its client.

#![allow(dead_code, reason = "each test binary uses a part of it")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "what fails here fails the test"
)]

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use privlink_sandbox::{
    Effect, Entry, Fault, Running, Sandbox, SandboxOptions, World, WorldSource,
};
use serde_json::{Map, Value};

use crate::support::serving::write_kubeconfig;
use crate::support::{Run, copy, names, root, waits_for_gateways};

/// The runtime that serves.
pub(crate) static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

/// The binary as a client of a sandbox, in a folder of its own.
pub(crate) struct Client {
    folder: tempfile::TempDir,
    arm: String,
}

impl Client {
    /// A client of what is served at these addresses, called from this folder.
    pub(crate) fn new(folder: tempfile::TempDir, kubernetes: &str, arm: &str) -> Self {
        write_kubeconfig(folder.path(), kubernetes);
        Self { folder, arm: [arm; 3].join(",") }
    }

    /// Where the binary is run.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Copies an example to where its README says it is.
    pub(crate) fn copy_example(&self, name: &str) {
        let to = self.path().join("examples").join(name);
        copy(&root().join("examples").join(name), &to);
    }

    /// The binary with these words, not started yet.
    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_privlink"));
        command
            .args(words.split_whitespace())
            .current_dir(self.path())
            .env_clear()
            .envs([("NO_COLOR", "1"), ("NO_PROXY", "127.0.0.1"), ("KUBECONFIG", "kubeconfig")])
            .envs([("PRIVLINK_AUTH", "token"), ("PRIVLINK_ARM_TOKEN", "served")])
            .env("PRIVLINK_CLOUD", &self.arm)
            .stdin(Stdio::null());
        command
    }

    /// Starts the binary; nothing of what it says is kept.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        self.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, words: &str) -> Run {
        self.command(words).output().unwrap().into()
    }
}

/// A world that is served, and a folder to call it from.
pub(crate) struct Served {
    pub(crate) running: Running,
    client: Client,
}

impl Deref for Served {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Served {
    /// Serves a world.
    pub(crate) fn new(world: World) -> Self {
        Self::with(world, |_| {})
    }

    /// Serves a world with other options.
    pub(crate) fn with(world: World, adjust: impl FnOnce(&mut SandboxOptions)) -> Self {
        let mut options = SandboxOptions::new(WorldSource::Memory(Box::new(world)));
        adjust(&mut options);
        let running = RUNTIME.block_on(Sandbox::start(options)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(folder, &running.kubernetes_url, &running.arm_url);
        Self { running, client }
    }

    /// What was asked of it so far, but for reads of what it is itself.
    pub(crate) fn requests(&self) -> Vec<Entry> {
        self.running.requests()
    }

    /// Adds faults.
    pub(crate) fn add_faults(&self, faults: impl IntoIterator<Item = Fault>) {
        self.running.add_faults(faults);
    }

    /// Removes all faults.
    pub(crate) fn clear_faults(&self) {
        self.running.clear_faults();
    }

    /// How often each fault struck.
    pub(crate) fn struck(&self) -> Vec<u32> {
        self.running.struck()
    }

    /// Changes the world behind every client's back.
    pub(crate) fn edit<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        self.running.edit(edit).unwrap()
    }

    /// The world once the controller has nothing more to do.
    pub(crate) fn world(&self) -> World {
        let settled = self.running.controller_settled(std::time::Duration::from_secs(20));
        if !RUNTIME.block_on(settled) {
            let events = self.edit(|world| world.to_json()["kubernetes"]["objects"].clone());
            let events = events.as_array().into_iter().flatten();
            let warned = events.filter(|it| it["kind"] == "Event" && it["type"] == "Warning");
            let warnings: Vec<&Value> = warned.map(|it| &it["message"]).collect();
            panic!("the controller does not come to rest: {warnings:#?}");
        }
        self.edit(|world| world.clone())
    }
}

/// A world as it is compared: Azure's resources and the Services, by id and name. Without etags, versions
/// and times, which tell when something was written and not what; dynamic addresses are named by what
/// has them, and lists of named things are sorted, since both follow from which of two independent things
/// came first.
pub(crate) fn portrait(world: &World) -> Value {
    portrait_of(&world.to_json())
}

/// The portrait of a world by its file's document.
pub(crate) fn portrait_of(document: &Value) -> Value {
    let mut dynamic = BTreeMap::new();
    dynamic_addresses(&document["azure"], &mut dynamic);
    let mut portrait = Map::new();
    let objects = document["kubernetes"]["objects"].as_array().into_iter().flatten();
    for object in objects.filter(|object| object["kind"] == "Service") {
        let text = |name: &str| object["metadata"][name].as_str().unwrap_or_default().to_owned();
        let name = format!("Service {}/{}", text("namespace"), text("name"));
        portrait.insert(name, timeless(object, &dynamic));
    }
    for resource in document["azure"].as_array().into_iter().flatten() {
        let id = resource["id"].as_str().unwrap_or_default().to_lowercase();
        let there = portrait.insert(id.clone(), timeless(resource, &dynamic));
        assert!(there.is_none(), "{id} is there twice");
    }
    portrait.sort_keys();
    Value::Object(portrait)
}

/// Addresses that Azure chose, with the id of what has them.
fn dynamic_addresses(value: &Value, found: &mut BTreeMap<String, String>) {
    let properties = &value["properties"];
    if properties["privateIPAllocationMethod"] == "Dynamic"
        && let (Some(id), Some(address)) =
            (value["id"].as_str(), properties["privateIPAddress"].as_str())
    {
        found.insert(address.to_owned(), format!("dynamic address of {id}"));
    }
    match value {
        Value::Array(items) => items.iter().for_each(|it| dynamic_addresses(it, found)),
        Value::Object(fields) => fields.values().for_each(|it| dynamic_addresses(it, found)),
        _ => {}
    }
}

fn timeless(value: &Value, dynamic: &BTreeMap<String, String>) -> Value {
    const OF_TIME: [&str; 5] = ["etag", "resourceVersion", "creationTimestamp", "time", "date"];
    match value {
        Value::String(text) => dynamic.get(text).unwrap_or(text).as_str().into(),
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|it| timeless(it, dynamic)).collect();
            let is_named =
                |it: &Value| ["name", "id", "manager"].iter().any(|key| it[*key].is_string());
            if items.iter().all(is_named) {
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, _)| !OF_TIME.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), timeless(value, dynamic)))
            .collect(),
        other => other.clone(),
    }
}

/// What differs between two portraits, for people; nothing if nothing does.
pub(crate) fn difference(expected: &Value, found: &Value) -> Option<String> {
    if expected == found {
        return None;
    }
    let (expected, found) = (format!("{expected:#}"), format!("{found:#}"));
    let diff = similar::TextDiff::from_lines(&expected, &found);
    Some(diff.unified_diff().header("undisturbed", "found").to_string())
}

/// The examples that can be applied: those with desired state that is sound.
pub(crate) fn examples() -> Vec<String> {
    let is_input = |name: &String| name.ends_with(".yaml");
    let all = names("examples").into_iter().filter(|name| !name.starts_with("bad-"));
    all.filter(|name| root().join("examples").join(name).is_dir())
        .filter(|name| names(&format!("examples/{name}")).iter().any(is_input))
        .filter(|name| !waits_for_gateways(name))
        .collect()
}

/// An example as a starting point: its world before, and where its desired state is.
#[derive(Clone)]
pub(crate) struct Scene {
    /// The example's name.
    pub(crate) name: String,
    /// The world to begin with.
    pub(crate) before: World,
    /// The flags that an apply of it needs beside its files.
    pub(crate) flags: &'static str,
    /// How an apply of it ends.
    pub(crate) code: i32,
}

impl Scene {
    /// The scene of an example.
    pub(crate) fn of(name: &str) -> Self {
        let folder = root().join("examples").join(name);
        let observed = folder.join("world/observed.json");
        let world = if observed.exists() {
            let text = std::fs::read(observed).unwrap();
            World::from_snapshot(&serde_json::from_slice(&text).unwrap()).unwrap()
        } else {
            World::first()
        };
        let (flags, code) = match name {
            "frontend-recreated" => ("--max-disconnects 1", 0),
            "endpoint-in-other-subscription" => ("", 6),
            _ => ("", 0),
        };
        let mut scene = Self { name: name.to_owned(), before: world, flags, code };
        if folder.join("before").exists() {
            let served = scene.serve();
            served.run(&format!("apply -f examples/{name}/before --auto-approve")).expect(0);
            scene.before = served.world();
        }
        scene
    }

    /// Serves its world, with the example's files beside.
    pub(crate) fn serve(&self) -> Served {
        self.serve_with(|_| {})
    }

    /// Serves its world with other options.
    pub(crate) fn serve_with(&self, adjust: impl FnOnce(&mut SandboxOptions)) -> Served {
        let served = Served::with(self.before.clone(), adjust);
        served.copy_example(&self.name);
        served
    }

    /// The words that carry a command out without asking.
    pub(crate) fn words(&self, command: &str) -> String {
        let Self { name, flags, .. } = self;
        format!("{command} -f examples/{name} --auto-approve {flags}")
    }
}

/// A request that is refused, and not carried out.
pub(crate) fn refused(status: u16, code: &str, retry_after: Option<u64>) -> Effect {
    let message = "made to fail".to_owned();
    Effect::Status { status, code: code.to_owned(), message, retry_after }
}

/// Each of these effects strikes two requests in a hundred. The draws of one do not depend on those of
/// another.
pub(crate) fn drawn(effects: Vec<Effect>, seed: u64) -> Vec<Fault> {
    let fault = |(number, effect)| Fault {
        times: 0,
        probability: Some(0.02),
        seed: seed.wrapping_mul(31).wrapping_add(number),
        effect,
        ..Fault::default()
    };
    (0..).zip(effects).map(fault).collect()
}

/// Does something with each of many, so many at once, and returns what came of each, in order.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    at_once: usize,
    cases: &[T],
    each: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let next = AtomicUsize::new(0);
    let done = std::sync::Mutex::new(std::collections::BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..at_once.min(cases.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(case) = cases.get(number) else { break };
                    let outcome = each(case);
                    done.lock().unwrap().insert(number, outcome);
                }
            });
        }
    });
    done.into_inner().unwrap().into_values().collect()
}
