//! The Azure clouds: where ARM is, for whom its tokens are, and who issues them.

use std::fmt;
use std::str::FromStr;

use azure_core::cloud::{CloudConfiguration, CustomConfiguration};
use privlink_http::is_loopback;
use url::Url;

/// One Azure cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cloud {
    name: String,
    endpoint: String,
    audience: String,
    authority: String,
}

impl Cloud {
    /// Azure public.
    pub fn public() -> Self {
        Self::known(
            "public",
            "https://management.azure.com",
            "https://management.azure.com",
            "https://login.microsoftonline.com",
        )
    }

    /// Azure US Government.
    fn us_government() -> Self {
        Self::known(
            "us-government",
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net",
            "https://login.microsoftonline.us",
        )
    }

    /// Azure operated by 21Vianet in China.
    fn china() -> Self {
        Self::known(
            "china",
            "https://management.chinacloudapi.cn",
            "https://management.core.chinacloudapi.cn",
            "https://login.chinacloudapi.cn",
        )
    }

    /// Any other: an ARM endpoint, the audience of its tokens, and the authority that issues them
    /// (which must be https).
    ///
    /// # Errors
    /// When the endpoint is not an absolute http or https URL without credentials, path and query, or
    /// is http and not a loopback literal.
    pub fn custom(endpoint: &str, audience: &str, authority: &str) -> Result<Self, String> {
        let url =
            Url::parse(endpoint).map_err(|why| format!("ARM endpoint `{endpoint}`: {why}"))?;
        let plain = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.path() == "/";
        if !plain || url.host().is_none() {
            return Err(String::from(
                "the ARM endpoint must be scheme, host and port only, such as https://management.azure.com",
            ));
        }
        match url.scheme() {
            "https" => {}
            "http" if url.host_str().is_some_and(is_loopback) => {}
            "http" => {
                return Err(format!(
                    "ARM endpoint `{endpoint}`: a token is sent over plain http to a loopback \
                     address only (127.0.0.1 or [::1])"
                ));
            }
            other => {
                return Err(format!("ARM endpoint `{endpoint}`: scheme `{other}` is not https"));
            }
        }
        Ok(Self {
            name: String::from("custom"),
            endpoint: url.origin().ascii_serialization(),
            audience: audience.trim_end_matches('/').to_owned(),
            authority: authority.trim_end_matches('/').to_owned(),
        })
    }

    fn known(name: &str, endpoint: &str, audience: &str, authority: &str) -> Self {
        Self {
            name: name.to_owned(),
            endpoint: endpoint.to_owned(),
            audience: audience.to_owned(),
            authority: authority.to_owned(),
        }
    }

    /// `public`, `us-government`, `china` or `custom`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The one origin that requests and tokens go to.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The endpoint, parsed.
    pub(crate) fn endpoint_url(&self) -> Result<Url, url::ParseError> {
        Url::parse(&self.endpoint)
    }

    /// The OAuth scope of ARM in this cloud.
    pub(crate) fn scope(&self) -> String {
        format!("{}/.default", self.audience)
    }

    /// Whether the endpoint is a loopback literal.
    pub fn is_loopback(&self) -> bool {
        self.endpoint_url().is_ok_and(|url| url.host_str().is_some_and(is_loopback))
    }

    /// Where tokens of a tenant are asked for.
    pub(crate) fn token_url(&self, tenant: &str) -> String {
        format!("{}/{tenant}/oauth2/v2.0/token", self.authority)
    }

    /// What azure_identity is told.
    pub(crate) fn configuration(&self) -> CloudConfiguration {
        let mut custom = CustomConfiguration::default();
        custom.authority_host.clone_from(&self.authority);
        custom.into()
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for Cloud {
    type Err = String;

    /// The names of this tool, of the Azure CLI, and of `AZURE_ENVIRONMENT`; or a custom cloud as
    /// `ENDPOINT,AUDIENCE,AUTHORITY`.
    fn from_str(text: &str) -> Result<Self, String> {
        if let [endpoint, audience, authority] = text.split(',').collect::<Vec<_>>().as_slice() {
            return Self::custom(endpoint, audience, authority);
        }
        match text.to_ascii_lowercase().as_str() {
            "public" | "azurecloud" | "azurepubliccloud" => Ok(Self::public()),
            "us-government" | "usgovernment" | "azureusgovernment" | "azureusgovernmentcloud" => {
                Ok(Self::us_government())
            }
            "china" | "azurechinacloud" => Ok(Self::china()),
            _ => Err(format!(
                "unknown cloud `{text}`: one of public, usgovernment, china, or \
                 ENDPOINT,AUDIENCE,AUTHORITY"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_cloud_has_its_own_endpoint_and_authority() {
        let clouds = [Cloud::public(), Cloud::us_government(), Cloud::china()];
        for cloud in &clouds {
            assert_eq!(cloud.endpoint_url().unwrap().scheme(), "https");
            assert_eq!(&cloud.name().parse::<Cloud>().unwrap(), cloud);
            assert!(cloud.scope().ends_with("/.default") && !cloud.scope().contains("//.default"));
        }
        assert_eq!("AzureUSGovernment".parse::<Cloud>().unwrap(), Cloud::us_government());
        assert!("Azure".parse::<Cloud>().is_err());
        let own =
            "https://arm.local.example.com,https://arm,https://login".parse::<Cloud>().unwrap();
        assert_eq!(own.endpoint(), "https://arm.local.example.com");
    }

    #[test]
    fn plain_http_is_for_loopback_literals() {
        let custom = |endpoint| Cloud::custom(endpoint, "https://arm", "https://login");
        assert!(custom("http://127.0.0.1:8080").is_ok());
        assert!(custom("http://[::1]:8080/").is_ok());
        assert!(custom("https://arm.example.com").is_ok());
        for refused in [
            "http://localhost:8080",
            "http://management.azure.com",
            "http://127.0.0.1.example.com",
            "https://user:secret@arm.example.com",
            "https://arm.example.com/base",
            "ftp://127.0.0.1",
            "arm.example.com",
        ] {
            assert!(custom(refused).is_err(), "{refused}");
        }
    }
}
