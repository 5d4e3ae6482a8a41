//! The policy that decides where a request may go, and with which token.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential};
use azure_core::http::headers::{AUTHORIZATION, USER_AGENT, WWW_AUTHENTICATE};
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{Context, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use privlink_http::{is_loopback, secret};
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::{Origin, Url};

/// Makes the credential for a tenant, or for the identity's own.
pub(crate) type CredentialSource =
    Box<dyn Fn(Option<&str>) -> azure_core::Result<Arc<dyn TokenCredential>> + Send + Sync>;

/// A token is renewed this long before it expires, which also forgives a clock that is off.
const RENEW_BEFORE: Duration = Duration::from_secs(300);

/// A refusal to send a request elsewhere than to ARM.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// Refuses every origin but the configured one, then adds the token.
pub(crate) struct ArmAuthorization {
    endpoint: Url,
    origin: Origin,
    scope: String,
    credentials: CredentialSource,
    state: Mutex<State>,
}

/// What was learned on the way: credentials and tokens by tenant, and which tenant a subscription is in.
#[derive(Default)]
struct State {
    slots: BTreeMap<Option<String>, Slot>,
    tenants: BTreeMap<String, String>,
}

struct Slot {
    credential: Arc<dyn TokenCredential>,
    token: Option<AccessToken>,
    failed: Option<(Instant, Failure)>,
}

/// Why there was no token, for all who waited for it.
#[derive(Clone, Debug)]
struct Failure(Arc<azure_core::Error>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.0)
    }
}

impl From<Failure> for azure_core::Error {
    fn from(failure: Failure) -> Self {
        Self::new(azure_core::error::ErrorKind::Credential, failure)
    }
}

impl fmt::Debug for ArmAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArmAuthorization")
            .field("endpoint", &self.endpoint.as_str())
            .finish_non_exhaustive()
    }
}

/// Whether a link in a reply leads to the ARM endpoint: its scheme, host and port, and plain http to
/// loopback literals only. Requests go nowhere else, and tokens neither.
pub fn leads_to(endpoint: &str, link: &str) -> bool {
    match (Url::parse(endpoint), Url::parse(link)) {
        (Ok(endpoint), Ok(link)) => is_within(&endpoint, &link),
        _ => false,
    }
}

fn is_within(endpoint: &Url, url: &Url) -> bool {
    let plain = url.scheme() != "https" && !url.host_str().is_some_and(is_loopback);
    let anonymous = url.username().is_empty() && url.password().is_none();
    url.origin() == endpoint.origin() && !plain && anonymous
}

impl ArmAuthorization {
    pub(crate) fn new(endpoint: Url, scope: String, credentials: CredentialSource) -> Self {
        let origin = endpoint.origin();
        Self { endpoint, origin, scope, credentials, state: Mutex::default() }
    }

    /// Whether a request may go to `url`: the endpoint's scheme, host and port, and plain http to
    /// loopback literals only.
    fn admit(&self, url: &Url) -> azure_core::Result<()> {
        if is_within(&self.endpoint, url) {
            return Ok(());
        }
        let message = format!(
            "refusing to send a request to {}: the ARM endpoint is {}",
            url.origin().ascii_serialization(),
            self.origin.ascii_serialization()
        );
        Err(azure_core::Error::new(azure_core::error::ErrorKind::Other, Refused(message)))
    }

    /// A token for the tenant that the subscription of `url` is in.
    async fn token(&self, url: &Url) -> azure_core::Result<AccessToken> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        let tenant = subscription(url).and_then(|name| state.tenants.get(&name).cloned());
        let slot = match state.slots.entry(tenant) {
            std::collections::btree_map::Entry::Occupied(slot) => slot.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let credential = (self.credentials)(place.key().as_deref())?;
                place.insert(Slot { credential, token: None, failed: None })
            }
        };
        if let Some(token) = &slot.token
            && token.expires_on > OffsetDateTime::now_utc() + RENEW_BEFORE
        {
            return Ok(token.clone());
        }
        // Held across the wait on purpose: of many calls at once, one asks for the token, and what
        // comes of it is the others' too.
        if let Some((when, why)) = &slot.failed
            && *when >= asked
        {
            return Err(why.clone().into());
        }
        match slot.credential.get_token(&[&self.scope], None).await {
            Ok(token) => {
                secret::hold(token.token.secret());
                slot.token = Some(token.clone());
                Ok(token)
            }
            Err(why) => {
                let why = Failure(Arc::new(why));
                slot.failed = Some((Instant::now(), why.clone()));
                Err(why.into())
            }
        }
    }

    /// After a 401: learns the subscription's tenant from the challenge, or forgets the token that was
    /// refused, if nobody else did meanwhile.
    async fn learn(&self, url: &Url, refused: &AccessToken, challenge: Option<&str>) {
        let mut state = self.state.lock().await;
        let subscription = subscription(url);
        let known = subscription.as_ref().and_then(|name| state.tenants.get(name).cloned());
        if let (Some(subscription), Some(tenant)) = (subscription, challenge.and_then(tenant_of))
            && known.as_ref() != Some(&tenant)
        {
            state.tenants.insert(subscription, tenant);
            return;
        }
        // The same tenant again: a fresh credential, and with it an empty cache.
        let is_refused = |slot: &Slot| {
            slot.token.as_ref().is_some_and(|it| it.token.secret() == refused.token.secret())
        };
        if state.slots.get(&known).is_some_and(is_refused) {
            state.slots.remove(&known);
        }
    }
}

#[async_trait]
impl Policy for ArmAuthorization {
    async fn send(
        &self,
        ctx: &Context,
        request: &mut Request,
        next: &[Arc<dyn Policy>],
    ) -> PolicyResult {
        self.admit(request.url())?;
        let Some((transport, rest)) = next.split_first() else {
            return Err(azure_core::Error::with_message(
                azure_core::error::ErrorKind::Other,
                "the pipeline has no transport",
            ));
        };
        request.insert_header(USER_AGENT, crate::USER_AGENT);
        let token = self.token(request.url()).await?;
        request.insert_header(AUTHORIZATION, format!("Bearer {}", token.token.secret()));
        let response = transport.send(ctx, request, rest).await?;
        if response.status() != StatusCode::Unauthorized {
            return Ok(response);
        }
        let challenge = response.headers().get_optional_str(&WWW_AUTHENTICATE);
        self.learn(request.url(), &token, challenge).await;
        let fresh = self.token(request.url()).await?;
        if fresh.token.secret() == token.token.secret() {
            return Ok(response);
        }
        request.insert_header(AUTHORIZATION, format!("Bearer {}", fresh.token.secret()));
        transport.send(ctx, request, rest).await
    }
}

/// The subscription that a URL is about, in lower case.
fn subscription(url: &Url) -> Option<String> {
    let mut segments = url.path_segments()?;
    let first = segments.next()?;
    let name = segments.next()?;
    first.eq_ignore_ascii_case("subscriptions").then(|| name.to_lowercase())
}

/// The tenant in ARM's challenge:
/// `Bearer authorization_uri="https://login.windows.net/{tenant}", error="invalid_token", ...`.
fn tenant_of(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("authorization_uri=\"")?;
    let (uri, _) = rest.split_once('"')?;
    let tenant = Url::parse(uri).ok()?.path_segments()?.next()?.to_lowercase();
    let is_guid =
        tenant.len() == 36 && tenant.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    is_guid.then_some(tenant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tenant_of_a_challenge_is_a_guid() {
        let challenge = |tenant: &str| {
            tenant_of(&format!(
                "Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\""
            ))
        };
        let tenant = "22222222-2222-2222-2222-22222222222A";
        assert_eq!(challenge(tenant), Some(tenant.to_lowercase()));
        assert_eq!(challenge("common"), None);
        assert_eq!(tenant_of("Bearer"), None);
    }

    #[test]
    fn the_subscription_is_the_second_segment() {
        let of = |path: &str| subscription(&Url::parse("https://arm").unwrap().join(path).unwrap());
        assert_eq!(of("/Subscriptions/S/x?y=1").as_deref(), Some("s"));
        assert_eq!(of("/providers/Microsoft.ResourceGraph/resources"), None);
    }
}
