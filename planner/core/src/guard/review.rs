//! An AdmissionReview of `admission.k8s.io/v1`, as far as the guard reads it.
//!
//! Unknown fields are left aside: the API server sends more than is needed, and later versions will send more again.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::kubernetes::service::Key;
use crate::pointer::At;

/// The version that is spoken.
pub const API_VERSION: &str = "admission.k8s.io/v1";

/// The kind of the request and of the answer.
const KIND: &str = "AdmissionReview";

/// Why a text is no request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It is not JSON, or not of that shape.
    #[error("it is not an AdmissionReview: {0}")]
    Malformed(String),
    /// It is of another kind or version.
    #[error("it is {0}, and only AdmissionReview of {API_VERSION} is answered")]
    Other(String),
    /// It holds no request, or one without a uid.
    #[error("it holds no request with a uid")]
    NoRequest,
}

/// What is to be done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is deleted.
    Delete,
    /// Anything else.
    Other,
}

impl Operation {
    /// In lower case, as metrics and logs have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Other => "other",
        }
    }
}

/// A request that asks whether a write may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its id, which the answer repeats.
    pub uid: String,
    /// What is done.
    pub operation: Operation,
    /// Whether it is about a Service itself, and not about its status or another kind.
    pub is_service: bool,
    /// The Service.
    pub key: Key,
    /// Who writes.
    pub user: String,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// The object as it will be stored.
    pub object: Option<Value>,
    /// The object as it is stored.
    pub old_object: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Asked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    #[serde(default)]
    uid: String,
    resource: Option<Resource>,
    sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    #[serde(default)]
    operation: String,
    user_info: Option<User>,
    object: Option<Value>,
    old_object: Option<Value>,
    dry_run: Option<bool>,
}

#[derive(Deserialize)]
struct Resource {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resource: String,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

/// Reads a request.
///
/// # Errors
/// See [`Error`]; none of them has an answer that an API server would take, which ends such a call as a failed one.
pub fn read(body: &[u8]) -> Result<Request, Error> {
    let review: Review =
        serde_json::from_slice(body).map_err(|why| Error::Malformed(why.to_string()))?;
    let Review { api_version, kind, request } = review;
    if api_version != API_VERSION || kind != KIND {
        let or_nothing = |text: String| if text.is_empty() { "nothing".to_owned() } else { text };
        return Err(Error::Other(format!("{} of {}", or_nothing(kind), or_nothing(api_version))));
    }
    let asked = request.filter(|it| !it.uid.is_empty()).ok_or(Error::NoRequest)?;
    let object = asked.object.filter(|it| !it.is_null());
    let old_object = asked.old_object.filter(|it| !it.is_null());
    let either = object.as_ref().or(old_object.as_ref());
    let said = |of_request: Option<String>, pointer: &str| {
        let of_object = || either.and_then(|it| it.at(pointer)?.as_str().map(str::to_owned));
        of_request.filter(|it| !it.is_empty()).or_else(of_object).unwrap_or_default()
    };
    let key =
        Key::new(said(asked.namespace, "/metadata/namespace"), said(asked.name, "/metadata/name"));
    let resource = asked.resource.as_ref();
    let is_service = resource.is_some_and(|it| it.group.is_empty() && it.resource == "services");
    let is_whole = asked.sub_resource.as_ref().is_none_or(String::is_empty);
    Ok(Request {
        uid: asked.uid,
        operation: match asked.operation.as_str() {
            "CREATE" => Operation::Create,
            "UPDATE" => Operation::Update,
            "DELETE" => Operation::Delete,
            _ => Operation::Other,
        },
        is_service: is_service && is_whole,
        key,
        user: asked.user_info.map(|user| user.username).unwrap_or_default(),
        dry_run: asked.dry_run.unwrap_or_default(),
        object,
        old_object,
    })
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The request's id.
    pub uid: String,
    /// Why it is refused; absent if it is allowed.
    pub refusal: Option<String>,
    /// What clients show, each within 120 characters.
    pub warnings: Vec<String>,
    /// What the audit log keeps, by name.
    pub audit: Vec<(&'static str, String)>,
}

impl Answer {
    /// As the API server reads it.
    pub fn to_value(&self) -> Value {
        let mut response = json!({"uid": self.uid, "allowed": self.refusal.is_none()});
        let Some(fields) = response.as_object_mut() else { return response };
        if let Some(message) = &self.refusal {
            let status = json!({
                "status": "Failure",
                "message": message,
                "reason": "Forbidden",
                "code": 403,
            });
            fields.insert("status".to_owned(), status);
        }
        if !self.warnings.is_empty() {
            fields.insert("warnings".to_owned(), json!(self.warnings));
        }
        if !self.audit.is_empty() {
            let kept: serde_json::Map<String, Value> =
                self.audit.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
            fields.insert("auditAnnotations".to_owned(), Value::Object(kept));
        }
        json!({"apiVersion": API_VERSION, "kind": KIND, "response": response})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_or_kind_has_no_answer() {
        let beta = br#"{"apiVersion":"admission.k8s.io/v1beta1","kind":"AdmissionReview","request":{"uid":"u"}}"#;
        let said = read(beta).map_err(|it| it.to_string());
        let expected = "it is AdmissionReview of admission.k8s.io/v1beta1, and only AdmissionReview of \
                        admission.k8s.io/v1 is answered";
        assert_eq!(said, Err(expected.to_owned()));
        let empty =
            br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}"#;
        assert_eq!(read(empty), Err(Error::NoRequest));
        assert!(matches!(read(b"["), Err(Error::Malformed(_))));
    }

    #[test]
    fn the_status_is_not_the_service() {
        let body = json!({
            "apiVersion": API_VERSION, "kind": KIND,
            "request": {
                "uid": "u", "operation": "UPDATE", "subResource": "status",
                "resource": {"group": "", "version": "v1", "resource": "services"},
                "object": {"metadata": {"namespace": "default", "name": "app"}}, "oldObject": null,
            }
        });
        let request = read(body.to_string().as_bytes());
        let request = request.as_ref().ok();
        assert_eq!(request.map(|it| it.is_service), Some(false));
        assert_eq!(request.map(|it| it.key.to_string()), Some("default/app".to_owned()));
        assert_eq!(request.map(|it| it.old_object.is_none()), Some(true));
    }
}
