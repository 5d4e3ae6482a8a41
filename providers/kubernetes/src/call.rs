//! Requests to an API server, as kube's builders make them.

use http::Request;
use k8s_openapi::api::core::v1::Service;
use kube::core::Resource;
use kube::core::request;
use privlink_http::failure::Doing;
use url::form_urlencoded;

/// One request.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) doing: Doing,
    pub(crate) object: String,
    /// The request, or why there is none.
    pub(crate) request: Result<Request<Vec<u8>>, String>,
}

impl Call {
    /// A request; what is being done, and to what, is for messages.
    pub fn new(
        doing: Doing,
        object: impl Into<String>,
        request: Result<Request<Vec<u8>>, request::Error>,
    ) -> Self {
        Self { doing, object: object.into(), request: request.map_err(|why| why.to_string()) }
    }
}

/// The builder of requests for objects of a kind, in a namespace or in all.
pub fn requests<K: Resource<DynamicType = ()>>(namespace: Option<&str>) -> request::Request {
    request::Request::new(K::url_path(&(), namespace.map(escape).as_deref()))
}

/// The builder of requests for the Services of a namespace.
pub(crate) fn services(namespace: &str) -> request::Request {
    requests::<Service>(Some(namespace))
}

/// A name as a segment of a path: the builders take it as it is.
pub fn escape(name: &str) -> String {
    form_urlencoded::byte_serialize(name.as_bytes()).collect()
}
