//! What text may be: names that Azure and Kubernetes accept, addresses, ids.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::node_id::NodeId;
use crate::resource_id::ResourceId;
use crate::rule::{self, Code};
use privlink_model::date;

/// What a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// Anything but nothing.
    NotEmpty,
    /// Anything of so many characters at most.
    UpTo(usize),
    /// Of so many to so many characters, and not to be shown.
    Between(usize, usize),
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A GUID: a subscription or a tenant.
    Guid,
    /// The name of a Kubernetes Service: an RFC 1035 label, which starts with a letter.
    ServiceName,
    /// The name of a Kubernetes namespace: an RFC 1123 label.
    Label,
    /// A stack's name, which becomes the value of a Kubernetes label and an Azure tag.
    LabelValue,
    /// A resource's name in Azure of so many to so many characters, where letters, digits and `_.-`
    /// are allowed (resource name rules of ARM: most of Microsoft.Network).
    ResourceName(usize, usize),
    /// A resource group's name.
    ResourceGroup,
    /// The name of an AKS cluster.
    ClusterName,
    /// An Azure region, as ARM spells it: lower case, no blanks.
    Location,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// An IPv4 or IPv6 address.
    Address,
    /// A domain name.
    Fqdn,
    /// An id of a resource; of this type, where one is given
    /// (`Microsoft.Network/privateEndpoints`).
    ResourceId(&'static str),
    /// A private DNS zone's name, or its id.
    DnsZone,
    /// A record's name within a zone.
    DnsRecord,
    /// The alias of a Private Link Service: `name.guid.region.azure.privatelinkservice`.
    Alias,
    /// A version of Kubernetes.
    Version,
    /// A day, as in `2026-12-05`.
    Date,
    /// The address of a node of the graph.
    NodeName,
}

/// Why a text is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The code.
    pub code: Code,
    /// What it is not, in words that fit after "is not" or stand alone.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Text {
    /// Whether a text is such a one.
    ///
    /// # Errors
    /// Says what is wrong with it, and what to do.
    pub fn check(self, text: &str) -> Result<(), Refusal> {
        if self.accepts(text) {
            return Ok(());
        }
        let (code, what, help) = self.refusal();
        let shown = if text.is_empty() { "empty text".to_owned() } else { format!("`{text}`") };
        let (message, help) = match self {
            Self::OneOf(words) => {
                let help = match super::closest(text, words.iter().copied()) {
                    Some(word) => format!("did you mean `{word}`?"),
                    None => format!("write {}", quoted(words)),
                };
                (format!("{shown} is not a known value"), help)
            }
            Self::UpTo(most) => {
                let message =
                    format!("the text has {} characters, more than {most}", text.chars().count());
                (message, format!("shorten it to {most} characters"))
            }
            Self::Between(least, most) => {
                let message = format!("the text has {} characters", text.chars().count());
                (message, format!("write {least} to {most} characters"))
            }
            Self::NotEmpty => ("the text is empty".to_owned(), help),
            _ => (format!("{shown} is not {what}"), help),
        };
        Err(Refusal { code, message, help })
    }

    fn accepts(self, text: &str) -> bool {
        match self {
            Self::NotEmpty => !text.trim().is_empty(),
            Self::UpTo(most) => text.chars().count() <= most,
            Self::Between(least, most) => (least..=most).contains(&text.chars().count()),
            Self::OneOf(words) => words.contains(&text),
            Self::Guid => is_guid(text),
            Self::ServiceName => {
                is_label(text) && text.starts_with(|first: char| first.is_ascii_lowercase())
            }
            Self::Label => is_label(text),
            Self::LabelValue => is_word(text, 1, 63, "-_.", false),
            Self::ResourceName(min, max) => is_word(text, min, max, "-_.", true),
            Self::ResourceGroup => {
                let allowed = |c: char| c.is_alphanumeric() || "_().-".contains(c);
                (1..=90).contains(&text.chars().count())
                    && text.chars().all(allowed)
                    && !text.ends_with('.')
            }
            Self::ClusterName => is_word(text, 1, 63, "-_", false),
            Self::Location => {
                !text.is_empty()
                    && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
            }
            Self::Ipv4 => text.parse::<Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<Ipv6Addr>().is_ok(),
            Self::Address => text.parse::<std::net::IpAddr>().is_ok(),
            Self::Fqdn => {
                let name = text.strip_prefix("*.").unwrap_or(text);
                name.len() <= 253 && name.split('.').all(is_dns_label)
            }
            Self::ResourceId(kind) => is_resource_id(text, kind),
            Self::DnsZone => {
                is_resource_id(text, "Microsoft.Network/privateDnsZones") || is_dns_zone(text)
            }
            Self::DnsRecord => is_dns_record(text),
            Self::Alias => is_alias(text),
            Self::Version => is_version(text),
            Self::Date => date::parse(text).is_some(),
            Self::NodeName => text.parse::<NodeId>().is_ok(),
        }
    }

    fn refusal(self) -> (Code, &'static str, String) {
        let (code, what, help) = match self {
            Self::NotEmpty => (rule::MISSING_FIELD, "", "write a value, or remove the field"),
            Self::UpTo(_) => (rule::TEXT_TOO_LONG, "", ""),
            Self::Between(..) => (rule::OUT_OF_RANGE, "", ""),
            Self::OneOf(_) => (rule::UNKNOWN_VALUE, "", ""),
            Self::Guid => (
                rule::BAD_GUID,
                "a GUID",
                "write it as in 00000000-0000-0000-0000-000000000000: hexadecimal digits in groups \
                 of 8, 4, 4, 4 and 12",
            ),
            Self::ServiceName => (
                rule::BAD_NAME,
                "a name that Kubernetes accepts for a Service",
                "use lower-case letters, digits and `-`, at most 63, beginning with a letter and \
                 ending with a letter or digit",
            ),
            Self::Label => (
                rule::BAD_NAME,
                "a name that Kubernetes accepts for a namespace",
                "use lower-case letters, digits and `-`, at most 63, beginning and ending with a \
                 letter or digit",
            ),
            Self::LabelValue => (
                rule::BAD_NAME,
                "a name that can be the value of a Kubernetes label",
                "use letters, digits and `-_.`, at most 63, beginning and ending with a letter or \
                 digit",
            ),
            Self::ResourceName(min, max) => {
                let help = format!(
                    "use letters, digits and `_.-`, {min} to {max} of them, beginning with a letter \
                     or digit and ending with a letter, a digit or `_`"
                );
                return (rule::BAD_NAME, "a name that Azure accepts", help);
            }
            Self::ResourceGroup => (
                rule::BAD_NAME,
                "a name that Azure accepts for a resource group",
                "use letters, digits and `_().-`, at most 90, not ending with a full stop",
            ),
            Self::ClusterName => (
                rule::BAD_NAME,
                "a name that AKS accepts for a cluster",
                "use letters, digits and `-_`, at most 63, beginning and ending with a letter or \
                 digit",
            ),
            Self::Location => (
                rule::BAD_NAME,
                "an Azure region's name",
                "write the short name, in lower case without blanks, such as `eastus`",
            ),
            Self::Ipv4 => {
                (rule::BAD_ADDRESS, "an IPv4 address", "write four numbers, such as 10.240.0.25")
            }
            Self::Ipv6 => (rule::BAD_ADDRESS, "an IPv6 address", "write one such as fd00::25"),
            Self::Fqdn => (rule::BAD_NAME, "a domain name", "write one such as app.contoso.com"),
            Self::Address => (
                rule::BAD_ADDRESS,
                "an IP address",
                "write an address such as 10.240.0.25, without prefix length or port",
            ),
            Self::ResourceId(kind) => return resource_id_refusal(kind),
            Self::DnsZone => (
                rule::BAD_NAME,
                "a DNS zone's name or id",
                "write a name with at least two labels, such as `internal.example`, or the id of a \
                 Microsoft.Network/privateDnsZones resource",
            ),
            Self::DnsRecord => (
                rule::BAD_NAME,
                "a record's name",
                "write the name within the zone, such as `app`, or `@` for the zone itself",
            ),
            Self::Alias => (
                rule::BAD_ALIAS,
                "the alias of a Private Link Service",
                "copy it from the provider; it reads \
                 `name.guid.region.azure.privatelinkservice`",
            ),
            Self::Version => (
                rule::BAD_VERSION,
                "a version of Kubernetes",
                "write it with quotes, such as \"1.33\" or \"1.33.1\"",
            ),
            Self::Date => {
                (rule::BAD_DATE, "a day", "write year, month and day, such as 2026-12-05")
            }
            Self::NodeName => (
                rule::BAD_OBJECT,
                "the address of an object",
                "write an address as `privlink graph` shows it, such as \
                 `PrivateLinkService/default/internal-app`",
            ),
        };
        (code, what, help.to_owned())
    }

    /// A regular expression (ECMA 262) for editors. It accepts at least what [`Text::check`] does.
    pub fn pattern(self) -> Option<String> {
        let pattern = match self {
            Self::NotEmpty => r"\S",
            Self::Guid => "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
            Self::ServiceName => "^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
            Self::Label => "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
            Self::LabelValue => "^[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
            Self::ResourceName(min, max) => {
                let inner = format!("[A-Za-z0-9_.-]{{{},{}}}", min.saturating_sub(2), max - 2);
                let rest = format!("{inner}[A-Za-z0-9_]");
                let rest = if min < 2 { format!("({rest})?") } else { rest };
                return Some(format!("^[A-Za-z0-9]{rest}$"));
            }
            Self::ClusterName => "^[A-Za-z0-9]([-_A-Za-z0-9]{0,61}[A-Za-z0-9])?$",
            Self::Location => "^[a-z0-9]+$",
            Self::Ipv4 => {
                let octet = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";
                return Some(format!(r"^{octet}(\.{octet}){{3}}$"));
            }
            Self::ResourceId(_) => "^/[sS]ubscriptions/[^/]+/",
            Self::Alias => r"^[^.]+\.[^.]+\.[^.]+\.azure\.privatelinkservice$",
            Self::Version => r"^v?[0-9]+\.[0-9]+(\.[0-9]+.*)?$",
            Self::Date => "^[0-9]{4}-[0-9]{2}-[0-9]{2}$",
            Self::NodeName => "^[A-Za-z]+/.",
            Self::UpTo(_)
            | Self::Between(..)
            | Self::OneOf(_)
            | Self::ResourceGroup
            | Self::Ipv6
            | Self::Address
            | Self::Fqdn
            | Self::DnsZone
            | Self::DnsRecord => return None,
        };
        Some(pattern.to_owned())
    }
}

fn resource_id_refusal(kind: &str) -> (Code, &'static str, String) {
    let (name, what) = match kind {
        "" => ("Microsoft.Network/...", "the id of an Azure resource"),
        "Microsoft.Network/privateEndpoints" => (kind, "the id of a private endpoint"),
        "Microsoft.Network/privateLinkServices" => (kind, "the id of a Private Link Service"),
        "Microsoft.Network/virtualNetworks/subnets" => {
            ("Microsoft.Network/virtualNetworks/<name>/subnets", "the id of a subnet")
        }
        _ => (kind, "the id of a resource of the right type"),
    };
    let help = format!(
        "write /subscriptions/<subscription>/resourceGroups/<group>/providers/{name}/<name>"
    );
    (rule::BAD_RESOURCE_ID, what, help)
}

fn quoted(words: &[&str]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(" or ")
}

/// Whether a text is a GUID in its usual form.
pub fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

fn is_label(text: &str) -> bool {
    is_word(text, 1, 63, "-", false) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Letters, digits and what is allowed besides; the first a letter or digit, the last too, or `_`.
fn is_word(text: &str, min: usize, max: usize, besides: &str, underscore_ends: bool) -> bool {
    (min..=max).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric() || (underscore_ends && c == '_'))
        && text.chars().all(|c| c.is_ascii_alphanumeric() || besides.contains(c))
}

/// Whether a text is the id of a resource in a resource group, of a type if one is given.
fn is_resource_id(text: &str, kind: &str) -> bool {
    let id = ResourceId::new(text);
    let mut segments = text.split('/');
    let starts_empty = segments.next() == Some("");
    let segments: Vec<&str> = segments.collect();
    let [_, subscription, _, group, providers, namespace, types @ ..] = segments.as_slice() else {
        return false;
    };
    let written: Vec<&str> = types.iter().copied().step_by(2).collect();
    let written = format!("{namespace}/{}", written.join("/"));
    starts_empty
        && types.len().is_multiple_of(2)
        && !types.is_empty()
        && segments.iter().all(|segment| !segment.is_empty() && !segment.contains(' '))
        && providers.eq_ignore_ascii_case("providers")
        && id.subscription() == Some(*subscription)
        && id.resource_group() == Some(*group)
        && (kind.is_empty() || written.eq_ignore_ascii_case(kind))
}

fn is_dns_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// 2 to 34 labels of 1 to 63 characters (resource name rules of ARM).
fn is_dns_zone(text: &str) -> bool {
    (2..=34).contains(&text.split('.').count()) && text.split('.').all(is_dns_label)
}

fn is_dns_record(text: &str) -> bool {
    text == "@"
        || text == "*"
        || text.strip_prefix("*.").unwrap_or(text).split('.').all(is_dns_label)
}

fn is_alias(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        [name @ .., guid, region, "azure", "privatelinkservice"] => {
            !name.is_empty()
                && name.iter().all(|part| !part.is_empty())
                && is_guid(guid)
                && !region.is_empty()
        }
        _ => false,
    }
}

fn is_version(text: &str) -> bool {
    privlink_model::kubernetes::validation::minor_version(text).is_some()
}

/// Whether a text is an address range in CIDR form whose host bits are zero, as the controller wants
/// it (`10.0.0.1/8` is none to it). Otherwise the range that was meant, if it is one at all.
///
/// # Errors
/// The range with its host bits cleared, or nothing if the text is no range.
pub fn cidr(text: &str) -> Result<(), Option<String>> {
    let (address, length) = text.split_once('/').ok_or(None)?;
    let bits: u32 = length.parse().map_err(|_| None)?;
    if length.len() > 1 && length.starts_with(['0', '+']) {
        return Err(None);
    }
    let masked = if let Ok(address) = address.parse::<Ipv4Addr>() {
        let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits).ok_or(None)?).unwrap_or(0);
        let masked = Ipv4Addr::from_bits(address.to_bits() & mask);
        if masked == address {
            return Ok(());
        }
        masked.to_string()
    } else {
        let address = address.parse::<Ipv6Addr>().map_err(|_| None)?;
        let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits).ok_or(None)?).unwrap_or(0);
        let masked = Ipv6Addr::from_bits(address.to_bits() & mask);
        if masked == address {
            return Ok(());
        }
        masked.to_string()
    };
    Err(Some(format!("{masked}/{bits}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rule: Text, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(rule.check(text), Ok(()), "{text}");
        }
        for text in bad {
            assert!(rule.check(text).is_err(), "{text}");
        }
    }

    #[test]
    fn azure_names_follow_the_resource_name_rules() {
        let long = "a".repeat(81);
        check(
            Text::ResourceName(1, 80),
            &["a", "myPLS", "pls_", "a.b-c_d"],
            &["", "-a", "a-", "a.", "_a", "a b", "ä", "a/b", &long],
        );
        check(Text::ResourceName(2, 64), &["ab"], &["a"]);
        check(Text::ResourceGroup, &["MC_rg_aks_eastus", "grüppe(1)"], &["", "a.", "a b", "a/b"]);
        check(Text::ClusterName, &["a", "my_AKS-1"], &["-a", "a.b", ""]);
    }

    #[test]
    fn kubernetes_names_are_labels() {
        check(Text::ServiceName, &["internal-app", "a"], &["1a", "A", "a.b", "a-", ""]);
        check(Text::Label, &["1a"], &["a_b", "A"]);
        check(Text::LabelValue, &["Shop_1.2"], &["a/b", ".a", ""]);
    }

    #[test]
    fn resource_ids_name_their_type() {
        let id = |rest: &str| format!("/subscriptions/s/resourceGroups/g/providers/{rest}");
        let subnet = id("Microsoft.Network/virtualNetworks/v/subnets/s");
        check(
            Text::ResourceId("Microsoft.Network/virtualNetworks/subnets"),
            &[&subnet, &subnet.to_uppercase()],
            &[
                &id("Microsoft.Network/virtualNetworks/v"),
                &id("Microsoft.Network/virtualNetworks//subnets/s"),
                "/subscriptions/s",
                "x",
                "",
            ],
        );
        check(Text::ResourceId(""), &[&subnet], &[&id("Microsoft.Network")]);
    }

    #[test]
    fn aliases_zones_versions_and_nodes_have_their_forms() {
        let guid = "11111111-2222-3333-4444-555555555555";
        let alias = format!("pls.{guid}.eastus.azure.privatelinkservice");
        check(Text::Alias, &[&alias], &["pls", "pls.x.eastus.azure.privatelinkservice"]);
        check(Text::Guid, &[guid], &["", "x", "11111111222233334444555555555555"]);
        check(Text::DnsZone, &["internal.example"], &["internal", "a..b", "-a.b"]);
        check(Text::DnsRecord, &["@", "*", "*.app", "app.blue"], &["", "a b", "a."]);
        check(Text::Version, &["1.33", "v1.33.1"], &["1", "latest", ""]);
        check(
            Text::NodeName,
            &["PrivateLinkService/default/internal-app", "LoadBalancer/kubernetes-internal"],
            &["PrivateLinkService", "Pls/a/b", "Service/"],
        );
    }

    #[test]
    fn ranges_must_be_masked() {
        assert_eq!(cidr("10.0.0.0/8"), Ok(()));
        assert_eq!(cidr("0.0.0.0/0"), Ok(()));
        assert_eq!(cidr("fd00::/64"), Ok(()));
        assert_eq!(cidr("10.0.0.1/8"), Err(Some("10.0.0.0/8".to_owned())));
        assert_eq!(cidr("fd00::1/64"), Err(Some("fd00::/64".to_owned())));
        for text in ["10.0.0.0", "10.0.0.0/33", "fd00::/129", "x/8", "10.0.0.0/08", "10.0.0.0/+8"] {
            assert_eq!(cidr(text), Err(None), "{text}");
        }
    }
}
