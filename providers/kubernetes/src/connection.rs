//! The way to an API server.

use std::path::PathBuf;
use std::time::Duration;

use http::HeaderValue;
use http::header::USER_AGENT;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use privlink_http::failure::{Doing, ErrorKind};
use privlink_http::{is_loopback, is_proxy_of_environment, secret};
use privlink_model::reason::chain;

use crate::error::KubernetesError;

/// Which API server, and with whose credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Connection {
    /// What kubectl would take: `KUBECONFIG` or `~/.kube/config`, its current context or the one
    /// named; and where there is no kubeconfig and no context is named, the pod's own account.
    Default {
        /// The context.
        context: Option<String>,
    },
    /// A kubeconfig file.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context; the file's current one by default.
        context: Option<String>,
    },
    /// The pod's own account.
    InCluster,
    /// An address with a token or without credentials, such as the sandbox's or that of `kubectl proxy`.
    /// Plain http to loopback literals only.
    Url {
        /// The address.
        url: String,
        /// The bearer token.
        token: Option<String>,
        /// The namespace of what names none.
        namespace: String,
    },
}

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long to wait for the reply to one request.
    pub reply_timeout: Duration,
    /// How many objects a page of a list holds.
    pub page_size: u32,
    /// How many bytes one reply, or one event of a watch, may have: many times what a page has.
    pub most_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { reply_timeout: Duration::from_secs(30), page_size: 500, most_bytes: 256 << 20 }
    }
}

impl Connection {
    /// The configuration, and what the connection is called in messages.
    pub(crate) async fn resolve(&self) -> Result<(Config, String), KubernetesError> {
        let (mut config, name) = match self {
            Self::Default { context } => default(context.as_deref()).await?,
            Self::Kubeconfig { path, context } => {
                let name = context_name(context.as_deref());
                refuse_endless(std::slice::from_ref(path), &name)?;
                let file = Kubeconfig::read_from(path);
                let file = file.map_err(|why| kubeconfig_error(&why, &name))?;
                of_file(file, context.as_deref()).await?
            }
            Self::InCluster => in_cluster()?,
            Self::Url { url, token, namespace } => {
                let mut config = at(url, namespace)?;
                config.auth_info.token = token.clone().map(secrecy::SecretString::from);
                (config, url.clone())
            }
        };
        // A proxy is not asked for what is on this machine, unless the kubeconfig itself says so: it would
        // be sent the token in clear text.
        let is_local = config.cluster_url.host().is_some_and(is_loopback);
        let named = config.proxy_url.as_ref().map(ToString::to_string);
        if is_local && named.is_some_and(|it| is_proxy_of_environment(&it)) {
            config.proxy_url = None;
        }
        hold_secrets(&config);
        config.headers.push((USER_AGENT, HeaderValue::from_static(crate::USER_AGENT)));
        // What is repeated is decided by the caller, who knows what a repetition does.
        config.default_retry = false;
        Ok((config, name))
    }
}

/// Remembers what the kubeconfig holds, for it not to be shown. What an exec plugin gives is not known
/// here; it has the shape of a token.
fn hold_secrets(config: &Config) {
    use kube::config::AuthInfo;
    use secrecy::ExposeSecret;
    let AuthInfo { token, password, client_key_data, token_file, .. } = &config.auth_info;
    for held in [token, password, client_key_data].into_iter().flatten() {
        secret::hold(held.expose_secret());
    }
    if let Some(held) =
        token_file.as_ref().and_then(|it| privlink_file::read_text(it.as_ref(), MOST_TOKEN).ok())
    {
        secret::hold(&held);
    }
}

/// The names of the contexts of the kubeconfig that kubectl would take; none if it cannot be read.
pub fn contexts() -> Vec<String> {
    if refuse_endless(&kubeconfigs(), "").is_err() {
        return Vec::new();
    }
    let file = Kubeconfig::read();
    file.map(|it| it.contexts.into_iter().map(|it| it.name).collect()).unwrap_or_default()
}

/// The most that a kubeconfig has, with the certificates in it.
const MOST_BYTES: u64 = 64 << 20;
/// The most that a token has.
const MOST_TOKEN: usize = 1 << 20;

/// The files that kubectl would take.
fn kubeconfigs() -> Vec<PathBuf> {
    let said = std::env::var_os("KUBECONFIG").filter(|it| !it.is_empty());
    let own = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".kube/config"));
    match said {
        Some(said) => std::env::split_paths(&said).collect(),
        None => own().into_iter().collect(),
    }
}

/// Refuses kubeconfigs that the library would read without an end: devices, and what is far too large.
fn refuse_endless(paths: &[PathBuf], name: &str) -> Result<(), KubernetesError> {
    for path in paths {
        let Ok(there) = std::fs::metadata(path) else { continue };
        let is_device = is_device(&there);
        if is_device || there.len() > MOST_BYTES {
            let what = if is_device { "it is a device" } else { "it has more than 64 MiB" };
            let message = format!("{}: {what}", path.display());
            let about = (Doing::Connect, "Kubernetes", name);
            return Err(KubernetesError::new(ErrorKind::Network, about, message));
        }
    }
    Ok(())
}

#[cfg(unix)]
fn is_device(there: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = there.file_type();
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(not(unix))]
const fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

async fn default(context: Option<&str>) -> Result<(Config, String), KubernetesError> {
    refuse_endless(&kubeconfigs(), &context_name(context))?;
    match Kubeconfig::read() {
        Ok(file) => of_file(file, context).await,
        Err(why) if context.is_none() && is_absent(&why) && in_pod() => in_cluster(),
        Err(why) => Err(kubeconfig_error(&why, &context_name(context))),
    }
}

/// The configuration of a context of a kubeconfig, and what it is called: with the API server's address.
async fn of_file(
    file: Kubeconfig,
    context: Option<&str>,
) -> Result<(Config, String), KubernetesError> {
    let current = file.current_context.clone().filter(|it| !it.is_empty());
    let name = context_name(context.or(current.as_deref()));
    let config = Config::from_custom_kubeconfig(file, &options(context)).await;
    let config = config.map_err(|why| kubeconfig_error(&why, &name))?;
    // What stands before a host may be a password.
    let url = &config.cluster_url;
    let server = match (url.scheme_str(), url.host(), url.port_u16()) {
        (Some(scheme), Some(host), Some(port)) => format!(" at {scheme}://{host}:{port}"),
        (Some(scheme), Some(host), None) => format!(" at {scheme}://{host}"),
        _ => String::new(),
    };
    Ok((config, format!("{name}{server}")))
}

fn in_cluster() -> Result<(Config, String), KubernetesError> {
    let name = "the pod's service account";
    let config = Config::incluster().map_err(|why| {
        KubernetesError::new(ErrorKind::Network, (Doing::Connect, "Kubernetes", name), chain(&why))
    })?;
    Ok((config, name.to_owned()))
}

fn at(url: &str, namespace: &str) -> Result<Config, KubernetesError> {
    let refuse = |why: &str| {
        KubernetesError::new(ErrorKind::Invalid, (Doing::Connect, "Kubernetes", url), why)
    };
    let uri: http::Uri = url.parse().map_err(|_| refuse("it is not a URL"))?;
    match uri.scheme_str() {
        Some("https") => {}
        Some("http") if uri.host().is_some_and(is_loopback) => {}
        _ => return Err(refuse("an address is https, or plain http to a loopback address")),
    }
    let mut config = Config::new(uri);
    namespace.clone_into(&mut config.default_namespace);
    Ok(config)
}

fn options(context: Option<&str>) -> KubeConfigOptions {
    KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() }
}

fn context_name(context: Option<&str>) -> String {
    match context {
        Some(context) => format!("context {context}"),
        None => String::from("the current context"),
    }
}

fn kubeconfig_error(why: &KubeconfigError, name: &str) -> KubernetesError {
    // The library puts the path into two kinds of quotes.
    let message = match why {
        KubeconfigError::ReadConfig(why, path) => format!("{}: {why}", path.display()),
        why => chain(why),
    };
    KubernetesError::new(ErrorKind::Network, (Doing::Connect, "Kubernetes", name), message)
}

fn is_absent(why: &KubeconfigError) -> bool {
    match why {
        KubeconfigError::FindPath => true,
        KubeconfigError::ReadConfig(why, _) => why.kind() == std::io::ErrorKind::NotFound,
        _ => false,
    }
}

fn in_pod() -> bool {
    std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn url(url: &str) -> Result<(Config, String), KubernetesError> {
        let (url, namespace) = (url.to_owned(), String::from("shop"));
        let connection = Connection::Url { url, token: None, namespace };
        connection.resolve().await
    }

    #[tokio::test]
    async fn plain_http_is_for_loopback_literals() {
        assert!(url("http://127.0.0.1:8001").await.is_ok());
        assert!(url("http://[::1]:8001").await.is_ok());
        assert!(url("https://api.example.com").await.is_ok());
        for refused in ["http://localhost:8001", "http://10.0.0.1", "127.0.0.1:8001", "::"] {
            assert_eq!(url(refused).await.unwrap_err().kind, ErrorKind::Invalid, "{refused}");
        }
    }

    #[tokio::test]
    async fn the_client_names_itself_and_leaves_repeating_to_others() {
        let (config, _) = url("http://127.0.0.1:8001").await.unwrap();
        assert_eq!(config.default_namespace, "shop");
        assert!(!config.default_retry);
        let (name, value) = config.headers.first().unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("user-agent", crate::USER_AGENT));
    }

    #[tokio::test]
    async fn a_context_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(&path, "apiVersion: v1\nkind: Config\ncontexts: []\nclusters: []\n")
            .unwrap();
        let connection = Connection::Kubeconfig { path, context: Some(String::from("prod")) };
        let error = connection.resolve().await.unwrap_err();
        assert!(error.to_string().contains("prod"), "{error}");
    }
}
