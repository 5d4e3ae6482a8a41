//! HTTP as every client of privlink speaks it: TLS by one provider, no redirect followed, plain HTTP to
//! literal loopback addresses only, replies read to a bound, one kind of failure, and one rule when to try
//! again.

pub mod failure;
pub mod reply;
pub mod retry;
pub mod secret;
pub mod span;

use std::net::IpAddr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The beginnings of a client. It follows no redirect, which would carry a token past the check of the
/// host. Proxy variables are honoured but for loopback literals, unless it is `direct`, which the metadata
/// service of a virtual machine needs.
pub fn client(direct: bool) -> reqwest::ClientBuilder {
    install_crypto();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    if direct { builder } else { with_proxies(builder, &|name| std::env::var(name).ok()) }
}

/// The proxies that variables name, upper case first as curl and Go have it. None is asked for a loopback
/// address, whatever they say: what is sent there is not for others, and may be plain.
fn with_proxies(
    mut builder: reqwest::ClientBuilder,
    variable: &dyn Fn(&str) -> Option<String>,
) -> reqwest::ClientBuilder {
    let either = |name: &str| {
        let named = variable(name).or_else(|| variable(&name.to_ascii_lowercase()));
        named.filter(|value| !value.trim().is_empty())
    };
    let spared = format!("127.0.0.0/8,::1,{}", either("NO_PROXY").unwrap_or_default());
    let spared = reqwest::NoProxy::from_string(&spared);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
        let Some(url) = either(name) else { continue };
        let proxy = match name {
            "HTTPS_PROXY" => reqwest::Proxy::https(url),
            "HTTP_PROXY" => reqwest::Proxy::http(url),
            _ => reqwest::Proxy::all(url),
        };
        // One that is no URL is none, as for everybody else who reads these variables.
        if let Ok(proxy) = proxy {
            builder = builder.proxy(proxy.no_proxy(spared.clone()));
        }
    }
    builder
}

/// Whether one of the variables names this proxy.
pub fn is_proxy_of_environment(proxy: &str) -> bool {
    let same = |url: String| url.trim_end_matches('/') == proxy.trim_end_matches('/');
    ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"]
        .iter()
        .flat_map(|name| [(*name).to_owned(), name.to_ascii_lowercase()])
        .filter_map(|name| std::env::var(name).ok())
        .any(same)
}

/// One TLS provider for the whole process: without a default, the first TLS connection fails.
pub fn install_crypto() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// Whether the host of a URL is a loopback literal, to which plain HTTP may go. `localhost` is none: it
/// is a name, which somebody else resolves.
pub fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_a_literal() {
        for loopback in ["127.0.0.1", "127.1.2.3", "[::1]", "::1"] {
            assert!(is_loopback(loopback), "{loopback}");
        }
        for other in ["localhost", "127.0.0.1.example", "10.0.0.1", "[::]", "0.0.0.0", ""] {
            assert!(!is_loopback(other), "{other}");
        }
    }
}
