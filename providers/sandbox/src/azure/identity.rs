//! Metadata and tokens: what a client asks before it has a token. Every client gets one.

use serde_json::json;

use crate::server::{Answer, Call};
use crate::state::State;

/// Answers a request for metadata or a token; nothing if it is none.
pub(super) fn answer(state: &State, call: &Call) -> Option<Answer> {
    let lower: Vec<String> = call.segments.iter().map(|segment| segment.to_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let answer = match (call.method.as_str(), lower.as_slice()) {
        ("GET", ["metadata", "endpoints"]) => endpoints(call),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"])
        | ("GET", [tenant, ".well-known", "openid-configuration"]) => configuration(call, tenant),
        ("POST", [_, "oauth2", "v2.0", "token"] | [_, "oauth2", "token"]) => token(state, call),
        ("GET", ["msi", "token"] | ["metadata", "identity", "oauth2", "token"]) => {
            managed_identity(state, call)
        }
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

/// An unsigned token (`alg: none`) that says whose it is.
fn unsigned(state: &State, audience: &str) -> String {
    let tenant = state.world.directory.tenants.first().map_or("", |tenant| tenant.id.as_str());
    let header = json!({"alg": "none", "typ": "JWT"});
    let claims = json!({
        "aud": audience, "tid": tenant, "oid": "00000000-0000-0000-0000-0000000000cc",
        "appid": "sandbox", "exp": 4_102_444_800_u64,
    });
    format!("{}.{}.", base64url(&header.to_string()), base64url(&claims.to_string()))
}

fn base64url(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..=chunk.len() {
            let index = (bits >> (18 - 6 * position)) & 63;
            let character = ALPHABET.get(index as usize).copied().unwrap_or(b'A');
            encoded.push(char::from(character));
        }
    }
    encoded
}

fn token(state: &State, call: &Call) -> Answer {
    let form: std::collections::BTreeMap<String, String> =
        url::form_urlencoded::parse(&call.body).into_owned().collect();
    let audience = form.get("scope").or_else(|| form.get("resource")).map_or("", String::as_str);
    Answer::json(
        200,
        json!({
            "token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599,
            "access_token": unsigned(state, audience),
        }),
    )
}

fn managed_identity(state: &State, call: &Call) -> Answer {
    let resource = call.parameter("resource").unwrap_or_default();
    Answer::json(
        200,
        json!({
            "token_type": "Bearer", "resource": resource, "expires_in": "3599",
            "expires_on": "4102444800", "access_token": unsigned(state, resource),
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_encoded_without_padding() {
        assert_eq!(base64url("a"), "YQ");
        assert_eq!(base64url("ab"), "YWI");
        assert_eq!(base64url("abc?"), "YWJjPw");
    }
}
