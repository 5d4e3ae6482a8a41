//! As whom ARM is called.

mod certificate;
mod credential;
mod github;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use azure_core::credentials::Secret;
use azure_core::error::ErrorKind;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::Cloud;

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
        let transport = crate::transport::transport(true, 1).unwrap();
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

    /// The metadata service of a virtual machine, whose address is fixed. Where `IDENTITY_ENDPOINT` is
    /// set, there is another one (tests/identities.rs).
    #[tokio::test]
    async fn the_metadata_service_is_asked_for_the_identity_that_was_named() {
        use crate::testing::{Answer, Script};
        let token = serde_json::json!({
            "access_token": "t", "expires_on": "4102444800", "resource": "r", "token_type": "Bearer",
        });
        let script = Script::of([Answer::new(200, &token)]);
        let transport = azure_core::http::Transport::new(Arc::new(script.clone()));
        let identity = Identity::ManagedIdentity(Some(String::from("c11e47")));
        let made = identity.credential(None, &Cloud::public(), &environment(&[]), &transport);
        let scope = Cloud::public().scope();
        let token = made.unwrap().get_token(&[&scope], None).await.unwrap();
        assert_eq!(token.token.secret(), "t");
        let seen = script.seen();
        assert_eq!(
            seen[0].line,
            "GET http://169.254.169.254/metadata/identity/oauth2/token?api-version=2019-08-01\
             &resource=https%3A%2F%2Fmanagement.azure.com&client_id=c11e47"
        );
        assert_eq!(seen[0].header("metadata"), Some("true"));
    }

    #[test]
    fn a_token_is_not_printed() {
        let identity = Identity::Token(Secret::new(String::from("s3cret")));
        let texts = format!("{identity:?} {}", identity.describe(&environment(&[])));
        assert!(!texts.contains("s3cret"));
    }
}
