//! The OIDC token of a GitHub Actions job, as a client assertion.

use std::fmt;

use async_trait::async_trait;
use azure_core::credentials::Secret;
use azure_core::error::{ErrorKind, ResultExt};
use azure_core::http::headers::{ACCEPT, AUTHORIZATION, USER_AGENT};
use azure_core::http::{
    ClientMethodOptions, ClientOptions, Method, Pipeline, Request, Transport, Url,
};
use azure_identity::ClientAssertion;
use privlink_http::secret;
use serde::Deserialize;

use super::Environment;

/// What GitHub sets in a job with `permissions: id-token: write`.
pub(super) const VARIABLES: [&str; 2] =
    ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
/// The audience that Entra expects of a federated token.
const AUDIENCE: &str = "api://AzureADTokenExchange";

/// Asks GitHub for a token each time one is needed: they live for minutes.
pub(super) struct GitHubToken {
    url: Url,
    token: Secret,
    pipeline: Pipeline,
}

impl fmt::Debug for GitHubToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GitHubToken")
    }
}

#[derive(Deserialize)]
struct Answer {
    value: String,
}

impl GitHubToken {
    pub(super) fn new(environment: &Environment, transport: Transport) -> azure_core::Result<Self> {
        let need = |name: &str| {
            environment.get(name).ok_or_else(|| {
                azure_core::Error::with_message(
                    ErrorKind::Credential,
                    format!(
                        "no {name}: give the job `permissions: id-token: write` \
                         to use GitHub's identity"
                    ),
                )
            })
        };
        let [url, token] = VARIABLES;
        let mut url = Url::parse(&need(url)?)
            .with_context_fn(ErrorKind::Credential, || format!("{url} is not a URL"))?;
        url.query_pairs_mut().append_pair("audience", AUDIENCE);
        let options = ClientOptions {
            transport: Some(transport),
            retry: super::credential::issuer_retry(),
            ..ClientOptions::default()
        };
        let pipeline = Pipeline::new(None, None, options, Vec::new(), Vec::new(), None);
        let token = need(token)?;
        secret::hold(&token);
        Ok(Self { url, token: Secret::new(token), pipeline })
    }
}

#[async_trait]
impl ClientAssertion for GitHubToken {
    async fn secret(&self, options: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let mut request = Request::new(self.url.clone(), Method::Get);
        request.insert_header(AUTHORIZATION, format!("Bearer {}", self.token.secret()));
        request.insert_header(ACCEPT, "application/json");
        request.insert_header(USER_AGENT, crate::USER_AGENT);
        let options = options.unwrap_or_default();
        let reply = self
            .pipeline
            .send(&options.context, &mut request, None)
            .await
            .with_context(ErrorKind::Credential, "GitHub did not give an OIDC token")?;
        let answer: Answer = reply
            .into_body()
            .json()
            .with_context(ErrorKind::Credential, "GitHub's answer holds no OIDC token")?;
        secret::hold(&answer.value);
        Ok(answer.value)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use azure_core::credentials::TokenCredential;
    use serde_json::json;

    use super::*;
    use crate::cloud::Cloud;
    use crate::identity::Identity;
    use crate::testing::{Answer, Script};

    fn credential(script: &Script) -> Arc<dyn TokenCredential> {
        let variables = [
            ("AZURE_CLIENT_ID", "client"),
            ("AZURE_TENANT_ID", "tenant"),
            ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://github.example.com/token?api-version=2.0"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-s3cret"),
        ];
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let environment = Environment::of(variables);
        let transport = Transport::new(Arc::new(script.clone()));
        Identity::GitHub.credential(None, &Cloud::public(), &environment, &transport).unwrap()
    }

    #[tokio::test]
    async fn githubs_token_is_exchanged_for_entras() {
        let script = Script::of([
            Answer::new(200, &json!({"value": "assertion-s3cret"})),
            Answer::new(
                200,
                &json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "t"}),
            ),
        ]);
        let token = credential(&script).get_token(&["https://arm/.default"], None).await.unwrap();
        assert_eq!(token.token.secret(), "t");
        let seen = script.seen();
        assert_eq!(
            seen[0].line,
            "GET https://github.example.com/token?api-version=2.0&audience=api%3A%2F%2FAzureADTokenExchange"
        );
        assert_eq!(seen[0].header("authorization"), Some("Bearer job-s3cret"));
        assert_eq!(seen[1].line, "POST https://login.microsoftonline.com/tenant/oauth2/v2.0/token");
        assert!(seen[1].body.contains("client_assertion=assertion-s3cret"));
        assert_eq!(seen[1].header("authorization"), None);
    }

    #[tokio::test]
    async fn a_refusal_names_github_and_no_secret() {
        let script = Script::of([Answer::error(403, "Forbidden")]);
        let error =
            credential(&script).get_token(&["https://arm/.default"], None).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("GitHub did not give") && !text.contains("s3cret"), "{text}");
    }
}
