//! HTTP as every client of privlink speaks it: TLS by one provider, no redirect followed, and plain HTTP
//! to literal loopback addresses only.

use std::net::IpAddr;
use std::time::Duration;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// The beginnings of a client. It follows no redirect, which would carry a token past the check of the
/// host. Proxy variables are honoured unless it is `direct`, which loopback addresses and the metadata
/// service of a virtual machine need.
pub fn client(direct: bool) -> reqwest::ClientBuilder {
    install_crypto();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    if direct { builder.no_proxy() } else { builder }
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
