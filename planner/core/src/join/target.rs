//! What an endpoint is to reach.

use crate::arm::resource::PrivateLinkService;
use crate::desired::{PrivateEndpoint, Target};
use crate::kubernetes::service::Key;
use crate::node::private_link_service;
use crate::prediction::Prediction;

/// What an endpoint is to reach.
pub(crate) struct Reached<'a> {
    /// The id or alias that is written.
    pub(crate) target: String,
    /// The Service whose sync makes it.
    pub(crate) service: Option<Key>,
    /// What is predicted of it.
    pub(crate) link: Option<&'a PrivateLinkService>,
    /// Whether another resource takes its place, so that connections to it are lost.
    pub(crate) remade: bool,
}

pub(super) fn reached<'a>(
    prediction: &'a Prediction,
    endpoint: &PrivateEndpoint,
) -> Option<Reached<'a>> {
    let link_of = |id: &str| prediction.after.private_link_services.get(&id.to_lowercase());
    match &endpoint.target {
        Target::Id(id) => {
            let link = link_of(id.as_str()).map(AsRef::as_ref);
            let before = prediction.before.private_link_services.get(&id.as_str().to_lowercase());
            let was = before.and_then(|it| private_link_service::identity(it));
            // Named by its id, it may still be this plan that makes it.
            let made = link.filter(|it| private_link_service::identity(it) != was);
            Some(Reached {
                target: id.as_str().to_owned(),
                service: made.and_then(|link| prediction.owners().of_link(link)).cloned(),
                link,
                remade: before.is_some() && made.is_some(),
            })
        }
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
            let link = prediction.link_after(&key)?;
            let before = prediction.before.private_link_services.get(&link.id().to_lowercase());
            let remade = before.is_some_and(|before| {
                private_link_service::identity(before) != private_link_service::identity(link)
            });
            Some(Reached {
                target: link.id().to_owned(),
                service: Some(key),
                link: Some(link),
                remade,
            })
        }
    }
}
