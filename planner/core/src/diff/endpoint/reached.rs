//! What an endpoint is to reach.

use crate::arm::resource::PrivateLinkService;
use crate::arm::world::World;
use crate::desired::{PrivateEndpoint, Target};
use crate::diff::Input;
use crate::kubernetes::service::Key;
use crate::prediction::Prediction;
use crate::resource_id::ResourceId;
use crate::view::{self, base_name};

/// What an endpoint is to reach.
pub(super) struct Reached<'a> {
    /// The id or alias that is written.
    pub(super) target: String,
    /// The Service whose sync makes it.
    pub(super) service: Option<Key>,
    /// What is predicted of it.
    pub(super) link: Option<&'a PrivateLinkService>,
    /// Whether another resource takes its place, so that connections to it are lost.
    pub(super) remade: bool,
}

pub(super) fn reached<'a>(
    input: &Input<'_>,
    prediction: &'a Prediction,
    endpoint: &PrivateEndpoint,
) -> Option<Reached<'a>> {
    let link_of = |id: &str| prediction.after.private_link_services.get(&id.to_lowercase());
    match &endpoint.target {
        Target::Id(id) => Some(Reached {
            target: id.as_str().to_owned(),
            service: None,
            link: link_of(id.as_str()).map(AsRef::as_ref),
            remade: false,
        }),
        Target::Alias(alias) => {
            let services = prediction.after.private_link_services.values();
            let is_it = |link: &&std::sync::Arc<PrivateLinkService>| {
                link.properties
                    .alias
                    .as_deref()
                    .is_some_and(|it| it.eq_ignore_ascii_case(&alias.value))
            };
            Some(Reached {
                target: alias.value.clone(),
                service: None,
                link: services.into_iter().find(is_it).map(AsRef::as_ref),
                remade: false,
            })
        }
        Target::Service(name) => {
            let key = name.value.clone();
            let link = link_of_service(&prediction.after, prediction, &key)?;
            let before = prediction.before.private_link_services.get(&link.id().to_lowercase());
            let remade =
                before.is_some_and(|before| view::identity_of(before) != view::identity_of(link));
            let _ = input;
            Some(Reached {
                target: link.id().to_owned(),
                service: Some(key),
                link: Some(link),
                remade,
            })
        }
    }
}

/// The Private Link Service through which a Service is reached: the one on a frontend that has a rule
/// of the Service.
pub fn link_of_service<'a>(
    world: &'a World,
    prediction: &Prediction,
    key: &Key,
) -> Option<&'a PrivateLinkService> {
    // A Service that is made again has two uids, one in each world.
    let services = [prediction.services.get(key), prediction.live.get(key)];
    let bases: Vec<String> =
        services.into_iter().flatten().map(|service| base_name(&service.uid)).collect();
    let frontends = world.load_balancers.values().flat_map(|balancer| {
        balancer.properties.load_balancing_rules.iter().flatten().filter_map(|rule| {
            let frontend = rule.properties.frontend_ip_configuration.as_ref()?;
            let is_its = bases.iter().any(|base| rule.name().starts_with(base.as_str()));
            is_its.then(|| ResourceId::new(frontend.id()))
        })
    });
    let frontends: Vec<ResourceId> = frontends.collect();
    world
        .private_link_services
        .values()
        .find(|link| view::frontend_of(link).is_some_and(|it| frontends.contains(&it)))
        .map(AsRef::as_ref)
}
