//! An authority of its own, for clusters where nobody issues certificates: kept in a Secret that all replicas share, and
//! written into the webhook's `caBundle`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{Span, Timestamp, tz::TimeZone};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use privlink_kubernetes::params::{GetParams, Patch, PatchParams, PostParams};
use privlink_kubernetes::{Call, Doing, ErrorKind, KubernetesClient, escape, requests};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

use crate::Error;
use crate::certificate::Pair;

/// Where the authority is kept, and whom it vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfSigned {
    /// The guard's own namespace.
    pub namespace: String,
    /// The Service by which the API server calls it.
    pub service: String,
    /// The Secret that keeps the authority.
    pub secret: String,
    /// The ValidatingWebhookConfiguration that is told to trust it; none, if somebody else sees to that.
    pub webhook: Option<String>,
}

/// For how many days a certificate is good; a new one is made every day.
const DAYS: i64 = 30;

/// For how many days the authority is good: delete the Secret and restart the guard before that.
const DAYS_OF_AUTHORITY: i64 = 3650;

/// An authority: its certificate and key, as PEM.
pub(crate) type Authority = Pair;

impl SelfSigned {
    /// The authority in the Secret; made if there is none. Of replicas that make one at once, the first one's counts.
    pub(crate) async fn authority(
        &self,
        kubernetes: &KubernetesClient,
    ) -> Result<Authority, Error> {
        if let Some(kept) = self.kept(kubernetes).await? {
            return Ok(kept);
        }
        let made = make().map_err(Error::Authority)?;
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
            "metadata": {"name": self.secret, "namespace": self.namespace},
            "stringData": {"tls.crt": made.certificate, "tls.key": made.key},
        });
        let request = requests::<Secret>(Some(&self.namespace))
            .create(&PostParams::default(), secret.to_string().into_bytes());
        let call = Call::new(Doing::Update, self.object(), request);
        match kubernetes.call(&call).await {
            Ok(_) => Ok(made),
            Err(why) => match self.kept(kubernetes).await? {
                Some(others) => Ok(others),
                None => Err(Error::Authority(why.to_string())),
            },
        }
    }

    fn object(&self) -> String {
        format!("Secret {}/{}", self.namespace, self.secret)
    }

    async fn kept(&self, kubernetes: &KubernetesClient) -> Result<Option<Authority>, Error> {
        let object = self.object();
        let request = requests::<Secret>(Some(&self.namespace))
            .get(&escape(&self.secret), &GetParams::default());
        let secret = match kubernetes.call(&Call::new(Doing::Read, &object, request)).await {
            Ok(secret) => secret,
            Err(why) if why.kind == ErrorKind::Missing => return Ok(None),
            Err(why) => return Err(Error::Authority(why.to_string())),
        };
        let text = |name: &str| {
            let data = secret.pointer("/data")?.get(name)?.as_str()?;
            String::from_utf8(STANDARD.decode(data).ok()?).ok()
        };
        let (Some(certificate), Some(key)) = (text("tls.crt"), text("tls.key")) else {
            return Err(Error::Authority(format!("{object} has no tls.crt and tls.key")));
        };
        privlink_http::secret::hold(&key);
        Ok(Some(Authority { certificate, key }))
    }

    /// A certificate for the Service, good from yesterday on.
    pub(crate) fn issue(&self, authority: &Authority) -> Result<Pair, String> {
        let why = |error: rcgen::Error| error.to_string();
        let issuer = Issuer::new(of_authority(), KeyPair::from_pem(&authority.key).map_err(why)?);
        let (service, namespace) = (&self.service, &self.namespace);
        let names = ["svc", "svc.cluster.local"].map(|it| format!("{service}.{namespace}.{it}"));
        let mut params = CertificateParams::new(names).map_err(why)?;
        params.distinguished_name.push(DnType::CommonName, "privlink guard");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        within(&mut params, DAYS);
        let key = KeyPair::generate().map_err(why)?;
        let certificate = params.signed_by(&key, &issuer).map_err(why)?;
        Ok(Pair { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// Makes the API server trust the authority, if it does not yet.
    pub(crate) async fn vouch(
        &self,
        authority: &Authority,
        kubernetes: &KubernetesClient,
    ) -> Result<(), String> {
        let Some(name) = &self.webhook else { return Ok(()) };
        let object = format!("ValidatingWebhookConfiguration {name}");
        let webhooks = requests::<ValidatingWebhookConfiguration>(None);
        let request = webhooks.get(&escape(name), &GetParams::default());
        let live = kubernetes.call(&Call::new(Doing::Read, &object, request)).await;
        let live = live.map_err(|why| why.to_string())?;
        let bundle = STANDARD.encode(&authority.certificate);
        let named_webhooks = live.get("webhooks").and_then(Value::as_array).into_iter().flatten();
        let differs = |it: &&Value| {
            it.pointer("/clientConfig/caBundle").and_then(Value::as_str) != Some(&bundle)
        };
        let named =
            |it: &Value| json!({"name": it.get("name"), "clientConfig": {"caBundle": bundle}});
        let patched: Vec<Value> = named_webhooks.filter(differs).map(named).collect();
        if patched.is_empty() {
            return Ok(());
        }
        let patch = json!({"webhooks": patched});
        let request =
            webhooks.patch(&escape(name), &PatchParams::default(), &Patch::Strategic(&patch));
        let call = Call::new(Doing::Update, object, request);
        kubernetes.call(&call).await.map(|_| ()).map_err(|why| why.to_string())
    }
}

/// What an authority is called and may do; the same for every one, so that its key is enough to go on issuing.
fn of_authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "privlink guard authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn make() -> Result<Authority, String> {
    let why = |error: rcgen::Error| error.to_string();
    let key = KeyPair::generate().map_err(why)?;
    let mut params = of_authority();
    within(&mut params, DAYS_OF_AUTHORITY);
    let certificate = params.self_signed(&key).map_err(why)?;
    let made = Authority { certificate: certificate.pem(), key: key.serialize_pem() };
    privlink_http::secret::hold(&made.key);
    Ok(made)
}

/// Good from yesterday on, for so many days.
fn within(params: &mut CertificateParams, days: i64) {
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let day = |days: i64| {
        let day = today.saturating_add(Span::new().days(days));
        let month = u8::try_from(day.month()).unwrap_or(1);
        let of_month = u8::try_from(day.day()).unwrap_or(1);
        rcgen::date_time_ymd(day.year().into(), month, of_month)
    };
    (params.not_before, params.not_after) = (day(-1), day(days));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Certificates;

    #[test]
    fn a_kept_authority_goes_on_issuing() {
        let own = SelfSigned {
            namespace: "privlink".to_owned(),
            service: "guard".to_owned(),
            secret: "guard".to_owned(),
            webhook: None,
        };
        let authority = make().unwrap();
        let (first, second) = (own.issue(&authority).unwrap(), own.issue(&authority).unwrap());
        assert!(first != second);
        Certificates::new(&first).unwrap().exchange(&second).unwrap();
    }
}
