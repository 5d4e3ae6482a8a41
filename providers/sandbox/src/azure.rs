//! ARM's wire: paths, tokens, paging, long-running operations, who may do what. What a write means is
//! the core's ARM model.

pub(crate) mod allocator;
mod collection;
mod deployment;
pub(crate) mod directory;
pub(crate) mod error;
mod gateway;
pub(crate) mod graph;
mod identity;
mod location;
mod network;
pub(crate) mod operation;
mod path;
mod reference;
mod resource;
mod soa;

use privlink_model::arm::azure::Azure;
use privlink_model::arm::error::ArmError;
use privlink_model::arm::private_endpoint;
use privlink_model::arm::rules::Rules;

use crate::kubernetes::resource::Resource;
use crate::server::{Answer, Call};
use crate::state::State;
use crate::world::World;

use allocator::AzureAllocator;

/// Answers a request to ARM.
pub(crate) fn answer(state: &mut State, call: &Call) -> Answer {
    if let Some(answer) = identity::answer(state, call) {
        return answer;
    }
    if let Err(refused) = admit(state, call) {
        let answer = error::refusal(&refused);
        let authority = format!("{}/{}", call.base, identity::wanted_tenant(state, call));
        return match refused.status {
            401 => answer.header(
                "WWW-Authenticate",
                &format!("Bearer authorization_uri=\"{authority}\", error=\"invalid_token\""),
            ),
            _ => answer,
        };
    }
    operation::finish_due(state);
    let answer = operation::answer(state, call)
        .or_else(|| gateway::answer(state, call))
        .or_else(|| network::answer(state, call))
        .or_else(|| deployment::answer(state, call))
        .unwrap_or_else(|| resource::answer(state, call));
    match answer {
        Ok(answer) => answer,
        Err(refused) => error::refusal(&refused),
    }
}

/// A token that is good for what is asked, and an api-version, which every request must have.
fn admit(state: &State, call: &Call) -> Result<(), ArmError> {
    if call.bearer().is_empty() {
        return Err(ArmError::new(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    }
    identity::check(state, call)?;
    if call.parameter("api-version").unwrap_or_default().is_empty() {
        return Err(ArmError::new(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        ));
    }
    Ok(())
}

/// Does something to what Azure holds, by Azure's rules, and brings up to date what follows from it.
pub(crate) fn with_azure<T>(state: &mut State, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
    occupy_node_addresses(state);
    let result = acting(&mut state.world, |azure| {
        let result = act(azure);
        private_endpoint::reflect(azure);
        result
    });
    state.touch();
    result
}

/// The same for a write. One that is refused leaves nothing behind, and hands nothing out.
pub(crate) fn write_azure<T>(
    state: &mut State,
    act: impl FnOnce(&mut Azure<'_>) -> Result<T, ArmError>,
) -> Result<T, ArmError> {
    let (world, allocator) = (state.world.azure.clone(), state.world.allocator.clone());
    let done = with_azure(state, act);
    if done.is_err() {
        (state.world.azure, state.world.allocator) = (world, allocator);
    }
    done
}

/// Brings up to date what Azure shows of what is in its subnets.
pub(crate) fn reflect(world: &mut World) {
    acting(world, private_endpoint::reflect);
}

/// Does something to what Azure holds, by Azure's rules, and nothing more.
pub(crate) fn acting<T>(world: &mut World, act: impl FnOnce(&mut Azure<'_>) -> T) -> T {
    let mut allocator = AzureAllocator { allocator: &mut world.allocator };
    let mut faults = Vec::new();
    let mut azure = Azure::new(&mut world.azure, Rules::Azure, &mut allocator, &mut faults);
    act(&mut azure)
}

/// The addresses of Nodes are taken in the cluster's subnet, though no resource shows them.
pub(crate) fn occupy_node_addresses(state: &mut State) {
    let subnet = state.world.facts.subnet_id(&state.world.facts.subnet).key();
    let nodes = Resource::find("", "nodes");
    let taken = nodes
        .into_iter()
        .flat_map(|kind| state.world.kubernetes.shelf(kind))
        .filter_map(|(_, object)| privlink_model::kubernetes::node::Node::from_value(object))
        .flat_map(|node| {
            let name = node.name;
            node.internal_addresses.into_iter().map(move |address| (address, name.clone()))
        })
        .filter_map(|(address, name)| Some((address.parse().ok()?, name)))
        .collect();
    state.world.azure.taken.insert(subnet, taken);
}
