//! As whom ARM is called.

mod certificate;
mod github;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_core::time::{Duration, OffsetDateTime};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzurePipelinesCredential,
    AzurePipelinesCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};

use crate::cloud::Cloud;
use certificate::Certificate;
use github::GitHubToken;

/// Looks up a variable.
type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// Environment variables, of the process or given.
#[derive(Clone)]
pub struct Environment(Arc<Lookup>);

impl Environment {
    /// The process's.
    pub fn process() -> Self {
        Self(Arc::new(|name| std::env::var(name).ok()))
    }

    /// These and no others.
    pub fn of(variables: BTreeMap<String, String>) -> Self {
        Self(Arc::new(move |name| variables.get(name).cloned()))
    }

    /// A variable; an empty one is not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        (self.0)(name).filter(|value| !value.is_empty())
    }

    fn need(&self, name: &str, identity: &str) -> azure_core::Result<String> {
        self.get(name).ok_or_else(|| {
            azure_core::Error::with_message(
                ErrorKind::Credential,
                format!("{identity} needs the environment variable {name}"),
            )
        })
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")
    }
}

/// As whom ARM is called. There is no silent chain: one identity is chosen, by name or by
/// [`Identity::detect`], and only that one is tried.
#[derive(Clone, PartialEq, Eq)]
pub enum Identity {
    /// A token as it is: for the sandbox and tests.
    Token(Secret),
    /// Entra workload identity on Kubernetes: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`,
    /// `AZURE_FEDERATED_TOKEN_FILE`.
    WorkloadIdentity,
    /// GitHub Actions' OIDC token: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, and what GitHub sets in a job
    /// with `permissions: id-token: write`.
    GitHub,
    /// An Azure DevOps service connection: `SYSTEM_OIDCREQUESTURI`, `SYSTEM_ACCESSTOKEN`, and what the
    /// tasks `AzureCLI` and `AzurePowerShell` set (`AZURESUBSCRIPTION_*`).
    AzurePipelines,
    /// The managed identity of the machine; user-assigned when given its client id or resource id.
    ManagedIdentity(Option<String>),
    /// Whoever is logged in to the Azure CLI.
    AzureCli,
    /// A client secret: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_CLIENT_SECRET`.
    ClientSecret,
    /// A client certificate: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_CLIENT_CERTIFICATE_PATH` (a
    /// PEM file with the certificate and its unencrypted RSA key).
    ClientCertificate,
}

/// What `--auth` takes.
const NAMES: &str = "auto, workload-identity, github, azure-pipelines, managed-identity[:ID], \
                     cli, client-secret, client-certificate, token";
/// Where `--auth token` finds it.
const TOKEN_VARIABLE: &str = "PRIVLINK_ARM_TOKEN";

impl Identity {
    /// The identity that `--auth` names. `auto` is [`Identity::detect`]; `token` takes the token in
    /// `PRIVLINK_ARM_TOKEN`.
    ///
    /// # Errors
    /// For a name that is none, and for `token` without that variable.
    pub fn choose(name: &str, environment: &Environment) -> Result<Self, String> {
        match name {
            "auto" => Ok(Self::detect(environment)),
            "token" => environment
                .get(TOKEN_VARIABLE)
                .map(|token| Self::Token(Secret::new(token)))
                .ok_or_else(|| {
                    format!("--auth token needs the environment variable {TOKEN_VARIABLE}")
                }),
            name => name.parse(),
        }
    }

    /// The first identity that the environment has all variables for, in this order: workload
    /// identity, GitHub, Azure Pipelines, client secret, client certificate, managed identity (where
    /// `IDENTITY_ENDPOINT` is set), and otherwise the Azure CLI. Nothing is contacted, so the managed
    /// identity of a virtual machine must be asked for.
    pub fn detect(environment: &Environment) -> Self {
        let all = |names: &[&str]| names.iter().all(|name| environment.get(name).is_some());
        let client = all(&["AZURE_CLIENT_ID", "AZURE_TENANT_ID"]);
        if client && all(&["AZURE_FEDERATED_TOKEN_FILE"]) {
            Self::WorkloadIdentity
        } else if client && all(&github::VARIABLES) {
            Self::GitHub
        } else if all(&["SYSTEM_OIDCREQUESTURI", "SYSTEM_ACCESSTOKEN"])
            && all(&["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"])
        {
            Self::AzurePipelines
        } else if client && all(&["AZURE_CLIENT_SECRET"]) {
            Self::ClientSecret
        } else if client && all(&["AZURE_CLIENT_CERTIFICATE_PATH"]) {
            Self::ClientCertificate
        } else if all(&["IDENTITY_ENDPOINT"]) {
            Self::ManagedIdentity(environment.get("AZURE_CLIENT_ID"))
        } else {
            Self::AzureCli
        }
    }

    /// Who that is, for messages.
    pub fn describe(&self, environment: &Environment) -> String {
        let client = || match environment.get("AZURE_CLIENT_ID") {
            Some(id) => format!(" of client {id}"),
            None => String::new(),
        };
        match self {
            Self::Token(_) => String::from("the holder of a given token"),
            Self::WorkloadIdentity => format!("the workload identity{}", client()),
            Self::GitHub => format!("the GitHub Actions identity{}", client()),
            Self::AzurePipelines => String::from("the Azure Pipelines service connection"),
            Self::ManagedIdentity(None) => String::from("the system-assigned managed identity"),
            Self::ManagedIdentity(Some(id)) => format!("the managed identity {id}"),
            Self::AzureCli => String::from("the Azure CLI's login"),
            Self::ClientSecret => format!("the client secret{}", client()),
            Self::ClientCertificate => format!("the client certificate{}", client()),
        }
    }

    /// The credential, for the identity's own tenant or for another that it is also known in.
    pub(crate) fn credential(
        &self,
        tenant: Option<&str>,
        cloud: &Cloud,
        environment: &Environment,
        transport: &Transport,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let client_options = || ClientOptions {
            cloud: Some(Arc::new(cloud.configuration())),
            transport: Some(transport.clone()),
            retry: issuer_retry(),
            ..ClientOptions::default()
        };
        let credential_options =
            || ClientAssertionCredentialOptions { client_options: client_options() };
        let tenant_id = |variable: &str, identity: &str| match tenant {
            Some(tenant) => Ok(tenant.to_owned()),
            None => environment.need(variable, identity),
        };
        Ok(match self {
            Self::Token(token) => Arc::new(GivenToken(token.clone())),
            Self::WorkloadIdentity => {
                let name = "the workload identity";
                let file = environment.need("AZURE_FEDERATED_TOKEN_FILE", name)?;
                WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
                    credential_options: credential_options(),
                    client_id: Some(environment.need("AZURE_CLIENT_ID", name)?),
                    tenant_id: Some(tenant_id("AZURE_TENANT_ID", name)?),
                    token_file_path: Some(file.into()),
                }))?
            }
            Self::GitHub => {
                let name = "the GitHub Actions identity";
                ClientAssertionCredential::new(
                    tenant_id("AZURE_TENANT_ID", name)?,
                    environment.need("AZURE_CLIENT_ID", name)?,
                    GitHubToken::new(environment, transport.clone())?,
                    Some(credential_options()),
                )?
            }
            Self::AzurePipelines => {
                let name = "the Azure Pipelines identity";
                AzurePipelinesCredential::new(
                    tenant_id("AZURESUBSCRIPTION_TENANT_ID", name)?,
                    environment.need("AZURESUBSCRIPTION_CLIENT_ID", name)?,
                    &environment.need("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", name)?,
                    environment.need("SYSTEM_ACCESSTOKEN", name)?,
                    Some(AzurePipelinesCredentialOptions {
                        credential_options: credential_options(),
                    }),
                )?
            }
            Self::ManagedIdentity(id) => {
                ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
                    user_assigned_id: id.clone().map(|id| match id.starts_with('/') {
                        true => UserAssignedId::ResourceId(id),
                        false => UserAssignedId::ClientId(id),
                    }),
                    client_options: client_options(),
                }))?
            }
            Self::AzureCli => AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: tenant.map(str::to_owned),
                ..AzureCliCredentialOptions::default()
            }))?,
            Self::ClientSecret => {
                let name = "the client secret";
                ClientSecretCredential::new(
                    &tenant_id("AZURE_TENANT_ID", name)?,
                    environment.need("AZURE_CLIENT_ID", name)?,
                    Secret::new(environment.need("AZURE_CLIENT_SECRET", name)?),
                    Some(ClientSecretCredentialOptions { client_options: client_options() }),
                )?
            }
            Self::ClientCertificate => {
                let name = "the client certificate";
                let tenant = tenant_id("AZURE_TENANT_ID", name)?;
                let client = environment.need("AZURE_CLIENT_ID", name)?;
                let path = environment.need("AZURE_CLIENT_CERTIFICATE_PATH", name)?;
                let certificate =
                    Certificate::read(path.as_ref(), &client, &cloud.token_url(&tenant))?;
                ClientAssertionCredential::new(
                    tenant,
                    client,
                    certificate,
                    Some(credential_options()),
                )?
            }
        })
    }

    /// Whether its tokens come from a link-local or local address, which no proxy reaches.
    pub(crate) fn is_local(&self) -> bool {
        matches!(self, Self::ManagedIdentity(_))
    }
}

impl FromStr for Identity {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "workload-identity" => Self::WorkloadIdentity,
            "github" => Self::GitHub,
            "azure-pipelines" => Self::AzurePipelines,
            "managed-identity" => Self::ManagedIdentity(None),
            "cli" => Self::AzureCli,
            "client-secret" => Self::ClientSecret,
            "client-certificate" => Self::ClientCertificate,
            _ => match name.strip_prefix("managed-identity:") {
                Some(id) if !id.is_empty() => Self::ManagedIdentity(Some(id.to_owned())),
                _ => return Err(format!("unknown identity `{name}`: one of {NAMES}")),
            },
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token",
            Self::WorkloadIdentity => "WorkloadIdentity",
            Self::GitHub => "GitHub",
            Self::AzurePipelines => "AzurePipelines",
            Self::ManagedIdentity(_) => "ManagedIdentity",
            Self::AzureCli => "AzureCli",
            Self::ClientSecret => "ClientSecret",
            Self::ClientCertificate => "ClientCertificate",
        })
    }
}

/// How calls for tokens are repeated. azure_core's default is a minute of tries, which the client's
/// own would multiply.
pub(crate) fn issuer_retry() -> RetryOptions {
    RetryOptions::exponential(ExponentialRetryOptions {
        initial_delay: Duration::milliseconds(300),
        max_retries: 2,
        max_total_elapsed: Duration::seconds(10),
        max_delay: Duration::seconds(5),
    })
}

/// A token as it is. It is not known when it expires: ARM says so.
#[derive(Debug)]
struct GivenToken(Secret);

#[async_trait]
impl TokenCredential for GivenToken {
    async fn get_token(
        &self,
        _scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires_on = OffsetDateTime::now_utc() + Duration::days(1);
        Ok(AccessToken::new(self.0.clone(), expires_on))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(names: &[&str]) -> Environment {
        Environment::of(names.iter().map(|&name| (name.to_owned(), name.to_lowercase())).collect())
    }

    #[test]
    fn detection_follows_the_documented_order() {
        let client = ["AZURE_CLIENT_ID", "AZURE_TENANT_ID"];
        let detect = |names: &[&str]| Identity::detect(&environment(&[&client, names].concat()));
        let github = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];
        let secret = ["AZURE_CLIENT_SECRET"];
        assert_eq!(detect(&[]), Identity::AzureCli);
        assert_eq!(detect(&secret), Identity::ClientSecret);
        assert_eq!(detect(&[&github[..], &secret].concat()), Identity::GitHub);
        assert_eq!(
            detect(&[&github[..], &["AZURE_FEDERATED_TOKEN_FILE"]].concat()),
            Identity::WorkloadIdentity
        );
        assert_eq!(
            detect(&["IDENTITY_ENDPOINT"]),
            Identity::ManagedIdentity(Some(String::from("azure_client_id")))
        );
        assert_eq!(Identity::detect(&environment(&github)), Identity::AzureCli);
    }

    #[test]
    fn an_identity_is_chosen_by_name() {
        let none = environment(&[]);
        assert_eq!(Identity::choose("cli", &none), Ok(Identity::AzureCli));
        assert_eq!(
            Identity::choose("managed-identity:abc", &none),
            Ok(Identity::ManagedIdentity(Some(String::from("abc"))))
        );
        assert!(Identity::choose("browser", &none).unwrap_err().contains("workload-identity"));
        assert!(Identity::choose("token", &none).unwrap_err().contains(TOKEN_VARIABLE));
        assert!(Identity::choose("token", &environment(&[TOKEN_VARIABLE])).is_ok());
    }

    #[test]
    fn what_is_missing_is_named() {
        let transport = crate::transport::transport(true).unwrap();
        let none = environment(&[]);
        for (identity, variable) in [
            (Identity::WorkloadIdentity, "AZURE_FEDERATED_TOKEN_FILE"),
            (Identity::GitHub, "AZURE_TENANT_ID"),
            (Identity::ClientSecret, "AZURE_TENANT_ID"),
            (Identity::AzurePipelines, "AZURESUBSCRIPTION_TENANT_ID"),
        ] {
            let error = identity.credential(None, &Cloud::public(), &none, &transport).unwrap_err();
            assert!(error.to_string().contains(variable), "{error}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let identity = Identity::Token(Secret::new(String::from("s3cret")));
        let texts = format!("{identity:?} {}", identity.describe(&environment(&[])));
        assert!(!texts.contains("s3cret"));
    }
}
