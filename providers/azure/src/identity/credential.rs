//! From an identity to azure_identity's credential.

use std::sync::Arc;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, Secret, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientOptions, ExponentialRetryOptions, RetryOptions, Transport};
use azure_core::time::{Duration, OffsetDateTime};
use azure_identity::{
    AzureCliCredential, AzureCliCredentialOptions, AzurePipelinesCredential,
    AzurePipelinesCredentialOptions, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ClientSecretCredential, ClientSecretCredentialOptions, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};

use super::certificate::Certificate;
use super::github::GitHubToken;
use super::{Environment, Identity};
use crate::cloud::Cloud;

type Made = azure_core::Result<Arc<dyn TokenCredential>>;

/// What a credential is made of.
struct Maker<'a> {
    tenant: Option<&'a str>,
    cloud: &'a Cloud,
    environment: &'a Environment,
    transport: &'a Transport,
}

impl Identity {
    /// The credential, for the identity's own tenant or for another that it is also known in.
    pub(crate) fn credential(
        &self,
        tenant: Option<&str>,
        cloud: &Cloud,
        environment: &Environment,
        transport: &Transport,
    ) -> azure_core::Result<Arc<dyn TokenCredential>> {
        let maker = Maker { tenant, cloud, environment, transport };
        match self {
            Self::Token(token) => Ok(Arc::new(GivenToken(token.clone()))),
            Self::WorkloadIdentity => maker.workload_identity(),
            Self::GitHub => maker.github(),
            Self::AzurePipelines => maker.azure_pipelines(),
            Self::ManagedIdentity(id) => maker.managed_identity(id.as_deref()),
            Self::AzureCli => Ok(AzureCliCredential::new(Some(AzureCliCredentialOptions {
                tenant_id: tenant.map(str::to_owned),
                ..AzureCliCredentialOptions::default()
            }))?),
            Self::ClientSecret => maker.client_secret(),
            Self::ClientCertificate => maker.client_certificate(),
        }
    }
}

impl Maker<'_> {
    fn need(&self, variable: &str, identity: &str) -> azure_core::Result<String> {
        self.environment.need(variable, identity)
    }

    fn tenant(&self, variable: &str, identity: &str) -> azure_core::Result<String> {
        match self.tenant {
            Some(tenant) => Ok(tenant.to_owned()),
            None => self.need(variable, identity),
        }
    }

    fn options(&self) -> ClientOptions {
        ClientOptions {
            cloud: Some(Arc::new(self.cloud.configuration())),
            transport: Some(self.transport.clone()),
            retry: issuer_retry(),
            ..ClientOptions::default()
        }
    }

    fn assertion_options(&self) -> ClientAssertionCredentialOptions {
        ClientAssertionCredentialOptions { client_options: self.options() }
    }

    fn workload_identity(&self) -> Made {
        let name = "the workload identity";
        let file = self.need("AZURE_FEDERATED_TOKEN_FILE", name)?;
        Ok(WorkloadIdentityCredential::new(Some(WorkloadIdentityCredentialOptions {
            credential_options: self.assertion_options(),
            client_id: Some(self.need("AZURE_CLIENT_ID", name)?),
            tenant_id: Some(self.tenant("AZURE_TENANT_ID", name)?),
            token_file_path: Some(file.into()),
        }))?)
    }

    fn github(&self) -> Made {
        let name = "the GitHub Actions identity";
        Ok(ClientAssertionCredential::new(
            self.tenant("AZURE_TENANT_ID", name)?,
            self.need("AZURE_CLIENT_ID", name)?,
            GitHubToken::new(self.environment, self.transport.clone())?,
            Some(self.assertion_options()),
        )?)
    }

    fn azure_pipelines(&self) -> Made {
        let name = "the Azure Pipelines identity";
        Ok(AzurePipelinesCredential::new(
            self.tenant("AZURESUBSCRIPTION_TENANT_ID", name)?,
            self.need("AZURESUBSCRIPTION_CLIENT_ID", name)?,
            &self.need("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", name)?,
            self.need("SYSTEM_ACCESSTOKEN", name)?,
            Some(AzurePipelinesCredentialOptions { credential_options: self.assertion_options() }),
        )?)
    }

    fn managed_identity(&self, id: Option<&str>) -> Made {
        let user_assigned_id = id.map(|id| match id.starts_with('/') {
            true => UserAssignedId::ResourceId(id.to_owned()),
            false => UserAssignedId::ClientId(id.to_owned()),
        });
        Ok(ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id,
            client_options: self.options(),
        }))?)
    }

    fn client_secret(&self) -> Made {
        let name = "the client secret";
        Ok(ClientSecretCredential::new(
            &self.tenant("AZURE_TENANT_ID", name)?,
            self.need("AZURE_CLIENT_ID", name)?,
            Secret::new(held(self.need("AZURE_CLIENT_SECRET", name)?)),
            Some(ClientSecretCredentialOptions { client_options: self.options() }),
        )?)
    }

    fn client_certificate(&self) -> Made {
        let name = "the client certificate";
        let tenant = self.tenant("AZURE_TENANT_ID", name)?;
        let client = self.need("AZURE_CLIENT_ID", name)?;
        let path = self.need("AZURE_CLIENT_CERTIFICATE_PATH", name)?;
        let certificate =
            Certificate::read(path.as_ref(), &client, &self.cloud.token_url(&tenant))?;
        let options = Some(self.assertion_options());
        Ok(ClientAssertionCredential::new(tenant, client, certificate, options)?)
    }
}

/// A secret, remembered for it not to be shown.
fn held(secret: String) -> String {
    privlink_http::secret::hold(&secret);
    secret
}

/// How calls for tokens are repeated. azure_core's default is a minute of tries, which the client's
/// own would multiply.
pub(super) fn issuer_retry() -> RetryOptions {
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
