//! Metadata and tokens: what a client asks before it has a token, and what ARM thinks of the token.
//! Nobody is refused for who he is: any secret and any assertion of the right form is good.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use privlink_model::arm::error::ArmError;
use serde_json::{Value, json};

use crate::server::{Answer, Call};
use crate::state::State;

/// Answers a request for metadata or a token; nothing if it is none.
pub(super) fn answer(state: &State, call: &Call) -> Option<Answer> {
    let lower: Vec<String> = call.segments().into_iter().map(str::to_lowercase).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let answer = match (call.method.as_str(), lower.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => endpoints(call),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"])
        | ("GET", [tenant, ".well-known", "openid-configuration"]) => configuration(call, tenant),
        ("POST", [tenant, "oauth2", "v2.0", "token"] | [tenant, "oauth2", "token"]) => {
            token(state, call, tenant)
        }
        ("GET", ["metadata", "identity", "oauth2", "token"]) => {
            managed_identity(state, call, "metadata")
        }
        ("GET", ["msi", "token"]) => managed_identity(state, call, "x-identity-header"),
        ("GET", ["oidc", "github"]) => {
            pipeline(call, "value", call.parameter("audience").unwrap_or_default())
        }
        ("POST", ["oidc", "azure-pipelines"]) => pipeline(call, "oidcToken", EXCHANGE),
        _ => return None,
    };
    Some(answer)
}

/// The clouds there are. Older clients (api-version 2019-05-01) want a list.
fn endpoints(call: &Call) -> Answer {
    let cloud = json!({
        "name": "AzureCloud",
        "authentication": {
            "loginEndpoint": call.base,
            "audiences": [call.base],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": call.base,
        "portal": call.base,
        "graph": call.base,
        "graphAudience": call.base,
        "suffixes": {},
    });
    let wants_list = call.parameter("api-version") == Some("2019-05-01");
    Answer::json(200, if wants_list { json!([cloud]) } else { cloud })
}

fn configuration(call: &Call, tenant: &str) -> Answer {
    let base = format!("{}/{tenant}", call.base);
    Answer::json(
        200,
        json!({
            "issuer": format!("{base}/v2.0"),
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "response_types_supported": ["code", "id_token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "tenant_region_scope": "NA",
            "cloud_instance_name": "localhost",
        }),
    )
}

/// How long a token is good for, in seconds.
const LIFETIME: i64 = 3599;
/// The audience of assertions that stand for a federated identity.
const EXCHANGE: &str = "api://AzureADTokenExchange";
/// Tells tokens apart that are given out within a second.
static ISSUED: AtomicU64 = AtomicU64::new(0);

/// An unsigned token (`alg: none`) with these claims besides its times.
fn unsigned(call: &Call, claims: &Value) -> String {
    let mut claims = claims.clone();
    let now = now(call);
    if let Some(claims) = claims.as_object_mut() {
        for (name, value) in [("iat", now), ("nbf", now), ("exp", now + LIFETIME)] {
            claims.insert(name.to_owned(), json!(value));
        }
        claims.insert("uti".to_owned(), json!(ISSUED.fetch_add(1, Ordering::Relaxed)));
    }
    let header = json!({"alg": "none", "typ": "JWT"});
    format!(
        "{}.{}.",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    )
}

/// The time of the clock that answers, in seconds since 1970.
fn now(call: &Call) -> i64 {
    jiff::Timestamp::now().as_second().saturating_add(call.effect.clock())
}

/// A token of Entra's for a client of a tenant.
fn access_token(call: &Call, tenant: &str, audience: &str, client: &str) -> String {
    let claims = json!({
        "aud": audience.trim_end_matches("/.default"), "tid": tenant, "appid": client,
        "iss": format!("https://sts.windows.net/{tenant}/"),
        "oid": "00000000-0000-0000-0000-0000000000cc",
    });
    unsigned(call, &claims)
}

fn home(state: &State) -> &str {
    state.world.directory.tenants.first().map_or("", |tenant| tenant.id.as_str())
}

/// A refusal in Entra's form.
pub(super) fn refusal(status: u16, error: &str, number: u32, message: &str) -> Answer {
    Answer::json(
        status,
        json!({
            "error": error, "error_codes": [number],
            "error_description": format!("AADSTS{number}: {message}"),
        }),
    )
}

/// A token for whoever shows a secret, or an assertion of the right audience that is valid now.
fn token(state: &State, call: &Call, tenant: &str) -> Answer {
    let form: BTreeMap<String, String> =
        url::form_urlencoded::parse(&call.body).into_owned().collect();
    let value = |name: &str| form.get(name).map_or("", String::as_str);
    let tenant = match tenant {
        "common" | "organizations" => home(state),
        other if state.world.directory.tenants.iter().any(|it| it.id == other) => other,
        other => {
            let why = format!(
                "Tenant '{other}' not found. Check to make sure you have the correct tenant ID."
            );
            return refusal(400, "invalid_request", 90002, &why);
        }
    };
    let assertion = value("client_assertion");
    if !assertion.is_empty() {
        let claims = claims(assertion).unwrap_or_default();
        let audience = claims.get("aud").and_then(Value::as_str).unwrap_or_default();
        let own = format!("{}{}", call.base, call.path);
        if audience != EXCHANGE && audience != own {
            let why = format!(
                "No matching federated identity record found for presented assertion audience \
                 '{audience}'."
            );
            return refusal(401, "invalid_client", 700_212, &why);
        }
        if !is_valid(&claims, now(call)) {
            let why = "Client assertion is not within its valid time range.";
            return refusal(401, "invalid_client", 700_024, why);
        }
    } else if value("grant_type") == "client_credentials" && value("client_secret").is_empty() {
        let why = "The request body must contain the following parameter: 'client_assertion' or \
                   'client_secret'.";
        return refusal(401, "invalid_client", 7_000_218, why);
    }
    let audience = if value("scope").is_empty() { value("resource") } else { value("scope") };
    Answer::json(
        200,
        json!({
            "token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME,
            "access_token": access_token(call, tenant, audience, value("client_id")),
        }),
    )
}

/// The metadata service's token, and App Service's. Both want a header that no other site can make a
/// browser send.
fn managed_identity(state: &State, call: &Call, header: &str) -> Answer {
    if call.header(header).unwrap_or_default().is_empty() {
        let description = format!("Required header {header} not specified");
        let body = json!({"error": "invalid_request", "error_description": description});
        return Answer::json(400, body);
    }
    let resource = call.parameter("resource").unwrap_or_default();
    let client = call.parameter("client_id").unwrap_or("system-assigned");
    Answer::json(
        200,
        json!({
            "token_type": "Bearer", "resource": resource, "expires_in": LIFETIME.to_string(),
            "expires_on": (now(call) + LIFETIME).to_string(),
            "access_token": access_token(call, home(state), resource, client),
        }),
    )
}

/// The OIDC token of a pipeline's job, for whoever shows the job's own token.
fn pipeline(call: &Call, field: &str, audience: &str) -> Answer {
    if call.header("authorization").is_none_or(|it| it.trim() == "Bearer") {
        return Answer::json(401, json!({"message": "Unauthorized"}));
    }
    let claims = json!({"aud": audience, "iss": call.base, "sub": "repo:contoso/shop"});
    Answer::json(200, json!({field: unsigned(call, &claims)}))
}

/// The claims of a JWT.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let payload = parts.nth(1).filter(|_| parts.next().is_some())?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
}

fn is_valid(claims: &Value, now: i64) -> bool {
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    // Entra forgives five minutes.
    let forgiven = 300;
    time("exp").is_none_or(|end| now < end + forgiven)
        && time("nbf").is_none_or(|start| now + forgiven >= start)
}

/// Whose token a request carries: the tenant, or nothing for a token that says nothing of itself,
/// which is good for everything.
pub(super) fn tenant(call: &Call) -> Option<String> {
    let claims = claims(call.bearer())?;
    claims.get("tid").and_then(Value::as_str).map(str::to_owned)
}

/// Refuses a token that is not valid now, or is of another tenant than the subscription in the path.
/// An opaque token says nothing of itself, and is good for everything.
pub(super) fn check(state: &State, call: &Call) -> Result<(), ArmError> {
    let Some(claims) = claims(call.bearer()) else { return Ok(()) };
    let now = now(call);
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    let shown = |seconds: i64| {
        jiff::Timestamp::from_second(seconds).map_or_else(|_| String::new(), |it| it.to_string())
    };
    if let Some(end) = time("exp").filter(|end| now >= end + 300) {
        let message = format!(
            "The access token expiry UTC time '{}' is earlier than current UTC time '{}'.",
            shown(end),
            shown(now)
        );
        return Err(ArmError::new(401, "ExpiredAuthenticationToken", message));
    }
    if !is_valid(&claims, now) {
        let message = "The access token is not valid yet.";
        return Err(ArmError::new(401, "InvalidAuthenticationToken", message));
    }
    let own = claims.get("tid").and_then(Value::as_str);
    let [first, id, ..] = call.segments()[..] else { return Ok(()) };
    let subscription = state.world.directory.subscription(id);
    match (own, subscription) {
        (Some(own), Some(it))
            if first.eq_ignore_ascii_case("subscriptions") && it.tenant != own =>
        {
            let message = format!(
                "The access token is from the wrong issuer 'https://sts.windows.net/{own}/'. It \
                 must match the tenant 'https://sts.windows.net/{0}/' associated with this \
                 subscription. Please use the authority (URL) '{1}/{0}' to get the token.",
                it.tenant, call.base
            );
            Err(ArmError::new(401, "InvalidAuthenticationTokenTenant", message))
        }
        _ => Ok(()),
    }
}

/// The tenant that a token must be of, for ARM's challenge.
pub(super) fn wanted_tenant<'a>(state: &'a State, call: &Call) -> &'a str {
    let id = call.segments().get(1).copied().unwrap_or_default();
    state.world.directory.subscription(id).map_or("common", |it| it.tenant.as_str())
}
