//! The metrics to a Pushgateway, for a job that nobody can scrape and that keeps no files.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use privlink_core::drift::Report;
use privlink_render::drift::prometheus::{Group, groups};
use reqwest::Url;

use super::delivery::Server;
use crate::command_error::CommandError;

/// Where metrics are pushed. They are counts by the names of stacks, so that plain HTTP within a cluster will do.
pub(super) struct Pushgateway(Server);

impl Pushgateway {
    /// The one that is asked for, if one is.
    pub(super) fn of(url: Option<&str>) -> Result<Option<Self>, CommandError> {
        let Some(text) = url else { return Ok(None) };
        let url: Url = text
            .parse()
            .map_err(|error| CommandError::new(format!("--pushgateway is not a URL: {error}")))?;
        if !["http", "https"].contains(&url.scheme()) || url.cannot_be_a_base() {
            return Err(CommandError::new("--pushgateway must be http or https"));
        }
        if url.scheme() == "http" && url.password().is_some() {
            return Err(CommandError::new("--pushgateway must be https where it holds a password"));
        }
        let server = Server { what: "Pushgateway", url };
        server.hold(text);
        Ok(Some(Self(server)))
    }

    /// Replaces the metrics of every stack; why that failed, fit to be shown.
    pub(super) async fn push(&self, report: &Report) -> Result<(), String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
        let client = self.0.client()?;
        for group in groups(report, i64::try_from(now).unwrap_or_default()) {
            let url = self.url_of(&group);
            let request = || {
                let request = client.put(url.clone()).body(group.text.clone());
                request.header("content-type", "text/plain; version=0.0.4")
            };
            let sent = self.0.send(request).await;
            sent.map_err(|why| format!("{why}; the metrics were not pushed"))?;
        }
        Ok(())
    }

    /// Where a group is. Names in base64 may hold slashes (Pushgateway, "URL").
    fn url_of(&self, group: &Group) -> Url {
        let mut url = self.0.url.clone();
        let name = match group.stack.as_str() {
            "" => "=".to_owned(),
            name => URL_SAFE_NO_PAD.encode(name),
        };
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["metrics", "job", group.job, "stack@base64", &name]);
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_named_by_its_stack_whatever_that_is_called() {
        let gateway = Pushgateway::of(Some("http://push.monitoring:9091/")).unwrap().unwrap();
        let url = |stack: &str| {
            let stack = stack.to_owned();
            gateway.url_of(&Group { job: "privlink_drift", stack, text: String::new() }).to_string()
        };
        let base = "http://push.monitoring:9091/metrics/job/privlink_drift/stack@base64";
        assert_eq!(url("shop"), format!("{base}/c2hvcA"));
        assert_eq!(url("a/b (eu)"), format!("{base}/YS9iIChldSk"));
        assert_eq!(url(""), format!("{base}/="));
    }

    #[test]
    fn what_is_no_place_to_push_to_is_refused() {
        for bad in ["push", "mailto:a@b", "ftp://push", "http://user:secret@push:9091"] {
            assert!(Pushgateway::of(Some(bad)).is_err(), "{bad}");
        }
        assert!(Pushgateway::of(None).unwrap().is_none());
    }
}
