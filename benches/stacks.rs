//! Generated stacks: copies of one, each with a subscription and a name of its own.
//!
//! One stack is one cluster with 8 Services, each with a frontend, a Private Link Service, a private
//! endpoint and its connection, on one load balancer with one pool: as many Private Link Services as one
//! load balancer takes. More nodes are more clusters.

use std::fs;
use std::io;
use std::path::Path;

/// The stack that is copied.
pub(crate) const STACK: &str = include_str!("stack/stack.yaml");
/// What is observed before anything is applied: the cluster as AKS made it.
const NEW: &str = include_str!("stack/new.json");
/// What is observed once the stack is applied.
const APPLIED: &str = include_str!("stack/applied.json");

/// The subscription in the files above.
const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";

/// Nodes of one stack: 8 times 5, the load balancer and its pool.
pub(crate) const NODES: usize = 42;

/// What a plan is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Nothing is there: all is to be created.
    New,
    /// All is there, as it should be: nothing is to be done.
    Same,
    /// All is there, and every Service moves to another subnet: all is to be replaced.
    Moved,
}

impl Scenario {
    pub(crate) const ALL: [Self; 3] = [Self::New, Self::Same, Self::Moved];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Same => "same",
            Self::Moved => "moved",
        }
    }
}

/// One stack: its documents, and what is observed.
#[derive(Clone, Debug)]
pub(crate) struct Stack {
    pub(crate) name: String,
    pub(crate) documents: String,
    pub(crate) observed: String,
}

/// As many stacks as have this many nodes, or a few more.
pub(crate) fn stacks(nodes: usize, scenario: Scenario) -> impl Iterator<Item = Stack> {
    (0..nodes.div_ceil(NODES)).map(move |index| stack(index, scenario))
}

fn stack(index: usize, scenario: Scenario) -> Stack {
    let name = format!("stack-{index:05}");
    let subscription = format!("00000000-0000-4000-8000-{index:012}");
    let mut documents =
        STACK.replace(SUBSCRIPTION, &subscription).replace("name: bench", &format!("name: {name}"));
    if scenario == Scenario::Moved {
        documents =
            documents.replace("internal-subnet: apps-subnet", "internal-subnet: aks-subnet");
    }
    let observed = if scenario == Scenario::New { NEW } else { APPLIED };
    let observed = observed
        .replace(SUBSCRIPTION, &subscription)
        .replace(r#""privlink.dev/stack": "bench""#, &format!(r#""privlink.dev/stack": "{name}""#))
        .replace(r#""privlink-stack": "bench""#, &format!(r#""privlink-stack": "{name}""#));
    Stack { name, documents, observed }
}

/// Writes stacks to `folder`: `stacks/NAME/stack.yaml` and `observed/NAME.json`.
pub(crate) fn write(folder: &Path, nodes: usize, scenario: Scenario) -> io::Result<()> {
    let (inputs, observed) = (folder.join("stacks"), folder.join("observed"));
    fs::create_dir_all(&observed)?;
    for stack in stacks(nodes, scenario) {
        let input = inputs.join(&stack.name);
        fs::create_dir_all(&input)?;
        fs::write(input.join("stack.yaml"), stack.documents)?;
        fs::write(observed.join(format!("{}.json", stack.name)), stack.observed)?;
    }
    Ok(())
}
