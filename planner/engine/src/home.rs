//! Which cluster and which Azure a session is with.

use privlink_core::resource_id::ResourceId;
use privlink_core::saved::{Home, SavedPlan};

use crate::run::Failure;
use crate::session::Session;

/// Which cluster and which Azure a session is with, and in which tenant the subscription is there.
///
/// # Errors
///
/// When they cannot be read.
pub async fn read(session: &Session, subscription: &str) -> Result<Home, Failure> {
    let Session { kubernetes, arm, .. } = session;
    let cluster = match kubernetes {
        None => None,
        Some(cluster) => cluster.cluster_uid().await.map_err(Failure::NowhereKubernetes)?,
    };
    let id = ResourceId::new(format!("/subscriptions/{subscription}"));
    let shown = match subscription {
        "" => None,
        _ => arm.get(&id).await.map_err(Failure::NowhereAzure)?,
    };
    let text = |field: &str| Some(shown.as_ref()?.get(field)?.as_str()?.to_owned());
    let (subscription, tenant) = (text("subscriptionId"), text("tenantId"));
    let arm = (!session.is_sandbox).then(|| arm.endpoint().to_owned());
    Ok(Home { cluster, arm, subscription, tenant })
}

/// Refuses a plan that was made for another cluster or another Azure.
pub(crate) async fn check(saved: &SavedPlan, session: &Session) -> Result<(), Failure> {
    let Some(home) = &saved.home else { return Ok(()) };
    let here = read(session, &saved.subscription).await?;
    home.differs_from(&here).map_or(Ok(()), |why| Err(Failure::Elsewhere(why)))
}
