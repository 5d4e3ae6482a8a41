//! Pseudonyms: for subscriptions, groups, names, messages and addresses, wherever they stand.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Own;

/// Replaces what is not own.
pub(super) struct Pseudonyms<'a> {
    pub(super) own: &'a Own,
    key: &'a [u8],
}

/// What Azure itself, or privlink, writes where a consumer may write a message.
const WORDS_OF_AZURE: [&str; 5] =
    ["", "Auto Approved", "Approved", "Approved by privlink", "Rejected by privlink"];

impl<'a> Pseudonyms<'a> {
    pub(super) fn new(own: &'a Own, key: &'a [u8]) -> Self {
        Self { own, key }
    }

    /// 32 hexadecimal digits that stand for a text, whatever its case. The inner digest keeps the outer
    /// one from being carried on from what is seen of it.
    fn digits(&self, kind: &str, text: &str) -> String {
        let mut inner = Sha256::new();
        for part in [self.key, &[0], kind.as_bytes(), &[0], text.to_lowercase().as_bytes()] {
            inner.update(part);
        }
        let mut outer = Sha256::new();
        outer.update(self.key);
        outer.update(inner.finalize());
        let mut digits = String::new();
        for byte in outer.finalize().iter().take(16) {
            // Writing to a String cannot fail.
            let _ = write!(digits, "{byte:02x}");
        }
        digits
    }

    fn short(&self, kind: &str, text: &str) -> String {
        let digits = self.digits(kind, text);
        format!("{kind}-{}", digits.get(..12).unwrap_or(&digits))
    }

    /// A GUID for a GUID.
    pub(super) fn guid(&self, text: &str) -> String {
        if self.own.has(text) {
            return text.to_owned();
        }
        let digits = self.digits("guid", text);
        let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// A name for a name.
    pub(super) fn name(&self, kind: &str, text: &str) -> String {
        if self.own.has(text) { text.to_owned() } else { self.short(kind, text) }
    }

    /// A message for a message.
    pub(super) fn message(&self, text: &str) -> String {
        if WORDS_OF_AZURE.contains(&text) || self.own.says(text) {
            text.to_owned()
        } else {
            self.short("message", text)
        }
    }

    /// Whether an ARM path lies in a subscription and a group that are own.
    pub(super) fn is_own(&self, path: &str) -> bool {
        let id = crate::resource_id::ResourceId::new(path);
        let own = |part: Option<&str>| part.is_none_or(|part| self.own.has(part));
        own(id.subscription()) && own(id.resource_group())
    }

    /// An ARM path: its subscription, group and names, as far as they are foreign.
    pub(super) fn path(&self, path: &str) -> String {
        let mut out: Vec<String> = Vec::new();
        let mut foreign = false;
        let mut before = "";
        // Behind the provider's namespace, types and names alternate.
        let mut behind = None;
        for part in path.split('/') {
            let same = |word: &str| before.eq_ignore_ascii_case(word);
            let is_name = behind.is_some_and(|at: usize| at % 2 == 1);
            let replaced = if behind.is_none() && same("subscriptions") {
                foreign |= !self.own.has(part);
                self.guid(part)
            } else if behind.is_none() && same("resourceGroups") {
                foreign |= !self.own.has(part);
                self.name("rg", part)
            } else if is_name && same("privateEndpointConnections") {
                self.connection(part)
            } else if is_name && foreign {
                self.name("name", part)
            } else {
                part.to_owned()
            };
            behind = match behind {
                Some(at) => Some(at + 1),
                None if same("providers") => Some(0),
                None => None,
            };
            // A provider within a provider's path (`.../providers/ns/...`) begins anew.
            if part.eq_ignore_ascii_case("providers") {
                behind = None;
            }
            out.push(replaced);
            before = part;
        }
        out.join("/")
    }

    /// The name of a connection: the endpoint's, a point and a guid.
    pub(super) fn connection(&self, name: &str) -> String {
        match name.rsplit_once('.') {
            Some((endpoint, _)) if self.own.has(endpoint) => name.to_owned(),
            Some((endpoint, guid)) => format!("{}.{guid}", self.short("name", endpoint)),
            None => self.name("name", name),
        }
    }

    /// The alias of a Private Link Service, `name.guid.region.azure.privatelinkservice`.
    fn alias(&self, alias: &str) -> String {
        if self.own.has(alias) {
            return alias.to_owned();
        }
        let mut parts: Vec<String> = alias.split('.').map(ToOwned::to_owned).collect();
        for part in &mut parts {
            if is_guid(part) {
                *part = self.guid(part);
            }
        }
        parts.join(".")
    }

    /// Any text: paths, aliases and public addresses in it.
    pub(super) fn text(&self, text: &str) -> String {
        if text.to_ascii_lowercase().ends_with(".azure.privatelinkservice") && !text.contains('/') {
            return self.alias(text);
        }
        if let Some(address) = self.address(text) {
            return address;
        }
        let mut out = String::new();
        let mut rest = text;
        while let Some(at) = rest.to_ascii_lowercase().find("/subscriptions/") {
            let (before, from) = rest.split_at(at);
            let end = from.find(|c: char| c.is_whitespace() || "\"'<>,;".contains(c));
            let (path, after) = from.split_at(end.unwrap_or(from.len()));
            out.push_str(before);
            out.push_str(&self.path(path));
            rest = after;
        }
        out.push_str(rest);
        out
    }

    /// A public address or range, as one of the ranges for benchmarks (RFC 2544) or documentation (RFC
    /// 3849); nothing for any other text.
    fn address(&self, text: &str) -> Option<String> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<Ipv6Addr>() {
            let first = address.segments().first().copied().unwrap_or_default();
            let is_public = (0x2000..0x4000).contains(&first);
            if !is_public || self.own.has(text) || self.own.has(&address.to_string()) {
                return Some(text.to_owned());
            }
            let digits = self.digits("address", &address.to_string());
            let part = |from: usize| digits.get(from..from + 4).unwrap_or_default().to_owned();
            let address = format!("2001:db8:{}::{}", part(0), part(4));
            let length = length.map(|length| format!("/{length}")).unwrap_or_default();
            return Some(format!("{address}{length}"));
        }
        let address: Ipv4Addr = address.parse().ok()?;
        let kept = address.is_private()
            || address.is_loopback()
            || address.is_link_local()
            || address.is_unspecified()
            || address.octets().starts_with(&[100])
            || self.own.has(text)
            || self.own.has(&address.to_string());
        if kept {
            return Some(text.to_owned());
        }
        let digits = self.digits("address", &address.to_string());
        let number = |from: usize| {
            digits
                .get(from..from + 2)
                .and_then(|it| u8::from_str_radix(it, 16).ok())
                .unwrap_or_default()
        };
        let address = Ipv4Addr::new(198, 18 + number(0) % 2, number(2), number(4));
        Some(match length {
            Some(length) => format!("{address}/{length}"),
            None => address.to_string(),
        })
    }

    /// A list of subscriptions, or addresses, in one text.
    pub(super) fn words(&self, text: &str) -> String {
        let word = |word: &str| if is_guid(word) { self.guid(word) } else { self.text(word) };
        text.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    /// All texts of a value, each after the field it stands in.
    pub(super) fn value(&self, field: &str, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(match field {
                "subscriptions" => self.words(text),
                "description" | "requestMessage" => self.message(text),
                _ => self.text(text),
            }),
            Value::Array(items) => items.iter().map(|item| self.value(field, item)).collect(),
            Value::Object(fields) => Value::Object(self.object(fields)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn object(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        let mut out: Map<String, Value> =
            fields.iter().map(|(key, value)| (key.clone(), self.value(key, value))).collect();
        // A name that is the last segment of the id stays that.
        let last = |fields: &Map<String, Value>| {
            let id = fields.get("id")?.as_str()?;
            id.rsplit('/').next().map(ToOwned::to_owned)
        };
        if let (Some(old), Some(new)) = (last(fields), last(&out))
            && fields
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(|it| it.eq_ignore_ascii_case(&old))
            && old != new
        {
            out.insert("name".to_owned(), new.into());
        }
        out
    }
}

/// Whether a text is a GUID.
pub(super) fn is_guid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts.iter().all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
}
