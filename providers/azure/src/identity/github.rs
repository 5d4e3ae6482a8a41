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
        let options = ClientOptions { transport: Some(transport), ..ClientOptions::default() };
        let pipeline = Pipeline::new(None, None, options, Vec::new(), Vec::new(), None);
        Ok(Self { url, token: Secret::new(need(token)?), pipeline })
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
        Ok(answer.value)
    }
}
